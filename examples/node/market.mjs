// What a client has to know of MarketPrism: the subjects, and how a message is read. docs/foreign-clients.md says why.
import { readFileSync } from "node:fs";

import { decode } from "@msgpack/msgpack";
import { connect } from "@nats-io/transport-node";

// The version of each kind that this program reads; of another one it must not guess.
const VERSIONS = { tick: 1, bar: 1 };
// What an absent field means, where it is not "none".
const DEFAULTS = {
  tick: { bids: [], asks: [], phase: "", verdict: "", warnings: [] },
  bar: { ticks: 0, revision: 0, gap: false },
};

// What is refused or away ends a program with one line.
process.on("uncaughtException", (error) => {
  console.error(`error: ${error.message}`);
  process.exit(1);
});

/** A token of a subject: letters, digits, - and _ as they are, every other byte of the UTF-8 text as =XX. */
export function token(text) {
  if (text === "") return "=";
  const bytes = [...new TextEncoder().encode(text)];
  const plain = (byte) => /[A-Za-z0-9_-]/.test(String.fromCharCode(byte));
  return bytes
    .map((byte) => (plain(byte) ? String.fromCharCode(byte) : "=" + byte.toString(16).toUpperCase().padStart(2, "0")))
    .join("");
}

/** A message as an object: times and numbers of 64 bits are BigInt, prices and amounts are texts of exact decimals. */
export function read(kind, payload) {
  const message = decode(payload, { useBigInt64: true });
  if (Number(message.v) !== VERSIONS[kind]) {
    throw new Error(`${kind}: expected version ${VERSIONS[kind]}, was ${message.v}`);
  }
  return { ...DEFAULTS[kind], ...message };
}

/** A connection. NATS_USER and NATS_PASSWORD_FILE name who asks; no password stands in a URL or a command. */
export async function market(url) {
  const { NATS_USER: user, NATS_PASSWORD_FILE: file } = process.env;
  const login = user && file ? { user, pass: readFileSync(file, "utf8").trim() } : {};
  return connect({ servers: url, name: "example-node", maxReconnectAttempts: -1, ...login });
}

/** A message as one line of JSON, which has no integers of 64 bits: they are texts there. */
export function line(message) {
  return JSON.stringify(message, (_, value) => (typeof value === "bigint" ? value.toString() : value));
}
