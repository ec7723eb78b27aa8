/** Commands to services: which there are, one given, and what becomes of it. */
import { ApiError, ask, change } from '../core/api.js';

/**
 * @typedef {object} Command
 * @property {string} service
 * @property {string} command
 * @property {string} summary
 * @property {any} arguments  a JSON Schema
 * @property {number} attempts
 * @property {number} timeout_s
 * @property {string} scope
 */

/**
 * @typedef {object} Given
 * @property {string} id
 * @property {'waiting' | 'done' | 'refused' | 'failed'} status
 * @property {string} service
 * @property {string} command
 * @property {string} who
 * @property {number} ts_asked
 * @property {number | null} ts_ended
 * @property {string} reason
 * @property {number | null} dead_letter
 */

const LOOK_MS = 2000;
const WAIT_S = 5;

/** @param {AbortSignal} [signal] @returns {Promise<Command[]>} */
export async function commandsOf(signal) {
  const { data } = await ask('/commands', {}, signal ? { signal } : {});
  return data;
}

/** A key that nobody else has: the same request twice is one command. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (each) => each.toString(16).padStart(2, '0')).join('');
}

/**
 * Give a command; what is not known yet after some seconds is `waiting`.
 * @param {string} service @param {string} command @param {Record<string, unknown>} values @param {string} key
 * @returns {Promise<Given>}
 * @throws {ApiError} it is not taken, or not done
 */
export async function give(service, command, values, key) {
  const path = `/commands/${encodeURIComponent(service)}/${encodeURIComponent(command)}?wait_s=${WAIT_S}`;
  const { data } = await change('POST', path, values, { 'Idempotency-Key': key });
  return data;
}

/** @param {string} id @returns {Promise<Given>} */
export async function given(id) {
  const { data } = await ask(`/commands/${encodeURIComponent(id)}`);
  return data;
}

/**
 * What became of a command, asked for until it is known or `withinMs` are over: then undefined.
 * @param {string} id @param {number} withinMs
 * @returns {Promise<Given | undefined>}
 */
export async function outcomeOf(id, withinMs) {
  const end = Date.now() + withinMs;
  for (;;) {
    try {
      const found = await given(id);
      if (found.status !== 'waiting') return found;
    } catch (error) {
      if (!(error instanceof ApiError) || !error.retryAfterS) throw error;
    }
    if (Date.now() + LOOK_MS > end) return undefined;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** The dead letter that a refusal names, 0 where it names none. @param {unknown} error */
export function letterOf(error) {
  return error instanceof ApiError ? Number(/dead letter (\d+)\)$/.exec(error.message)?.[1] ?? 0) : 0;
}
