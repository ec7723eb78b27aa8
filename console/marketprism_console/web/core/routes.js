/** Which requests this gateway has: what comes with a later one is not asked for. */
import { ask } from './api.js';

const KEPT_MS = 60_000;
/** @type {Promise<Set<string>> | undefined} */
let reading;
let readAt = -Infinity;

async function read() {
  const { data } = await ask('');
  return new Set(data.map((/** @type {{method: string, path: string}} */ each) => `${each.method} ${each.path.replace('/api/v1', '')}`));
}

/**
 * @param {string} path  as the gateway writes it, below `/api/v1`: `/system/streams/{name}`
 * @param {string} [method]
 * @returns {Promise<boolean>}
 * @throws {import('./api.js').ApiError}
 */
export async function hasRoute(path, method = 'GET') {
  if (!reading || performance.now() - readAt > KEPT_MS) {
    readAt = performance.now();
    reading = read();
    reading.catch(() => (reading = undefined)); // it is asked again by the next
  }
  const shape = (/** @type {string} */ each) => each.replace(/\{[^}]*\}/g, '{}');
  const wanted = shape(`${method} ${path}`);
  return [...(await reading)].some((each) => shape(each) === wanted);
}
