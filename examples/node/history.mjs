// What the stream holds of one instrument, from a sequence on, without a gap: node history.mjs URL SYMBOL [FROM]
// Direct gets need no consumer, so an account that only reads has them. The last line says where to go on.
import { jetstreamManager } from "@nats-io/jetstream";

import { line, market, read, token } from "./market.mjs";

const [url, symbol, from = "1"] = process.argv.slice(2);
if (!symbol) {
  console.error("usage: node history.mjs URL SYMBOL [FROM]");
  process.exit(2);
}
const connection = await market(url);
const manager = await jetstreamManager(connection, { checkAPI: false });
const subject = `market.tick.${token(symbol)}`;
let next = Number(from);
let count = 0;
for (;;) {
  const found = await manager.direct.getMessage("MARKET_TICKS", { seq: next, next_by_subj: subject });
  if (found === null) break;
  console.log(line({ stream_seq: found.seq, message: read("tick", found.data) }));
  next = found.seq + 1;
  count += 1;
}
console.error(`ticks ${count}, go on at ${next}`);
await connection.close();
