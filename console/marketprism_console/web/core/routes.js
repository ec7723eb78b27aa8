/** Which requests this gateway has: what comes with a later one is not asked for. */
import { ask } from './api.js';

const KEPT_MS = 60_000;
/** @type {Promise<Map<string, string | null>> | undefined} */
let reading;
/** Scopes by request, as they were read last. @type {Map<string, string | null>} */
let known = new Map();
let readAt = -Infinity;

/** @param {string} request */
function shape(request) {
  return request.replace(/\{[^}]*\}/g, '{}');
}

async function read() {
  const { data } = await ask('');
  known = new Map(
    data.map((/** @type {{method: string, path: string, scope: string | null}} */ each) => [
      shape(`${each.method} ${each.path.replace('/api/v1', '')}`), each.scope,
    ]),
  );
  return known;
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
  return (await reading).has(shape(`${method} ${path}`));
}

/**
 * The scope that a request needs: null where none, undefined where the gateway does not have it, as far as is known.
 * @param {string} path
 * @param {string} method
 */
export function scopeOf(path, method) {
  return known.get(shape(`${method} ${path}`));
}
