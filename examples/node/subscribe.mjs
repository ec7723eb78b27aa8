// Live ticks and bars of one instrument: node subscribe.mjs nats://127.0.0.1:4222 rb2405 [COUNT]
// Every message is a line on stdout; the counts come at the end, after COUNT messages or Ctrl-C.
import { line, market, read, token } from "./market.mjs";

const [url, symbol, count = "Infinity"] = process.argv.slice(2);
if (!symbol) {
  console.error("usage: node subscribe.mjs URL SYMBOL [COUNT]");
  process.exit(2);
}
const connection = await market(url);
const counts = { tick: 0, bar: 0 };
let left = Number(count);

async function follow(kind, subject) {
  for await (const message of connection.subscribe(subject)) {
    if (left === 0) break;
    counts[kind] += 1;
    console.log(line({ n: counts.tick + counts.bar, message: read(kind, message.data) }));
    left -= 1;
    if (left === 0) void connection.drain();
  }
}

process.once("SIGINT", () => void connection.drain());
const following = [follow("tick", `market.tick.${token(symbol)}`), follow("bar", `market.bar.*.${token(symbol)}`)];
await connection.flush(); // the server has both subscriptions
console.error("subscribed");
await Promise.all(following);
console.error(`ticks ${counts.tick}, bars ${counts.bar}`);
