/** The server's clock. Ages of what it has written are counted by it: this computer's may be an hour wrong. */

const FAR_MS = 1500; // less is the way of an answer
let aheadMs = 0;

/** An answer that is new says when it was made. @param {string} timestamp  ISO 8601 */
export function serverSaid(timestamp) {
  const ahead = Date.parse(timestamp) - Date.now();
  if (Number.isFinite(ahead)) aheadMs = Math.abs(ahead) > FAR_MS ? ahead : 0;
}

/** Now, milliseconds UTC, by the server's clock as far as it is known. */
export function serverNow() {
  return Date.now() + aheadMs;
}
