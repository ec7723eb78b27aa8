/** Who is signed in, and what they may do. The server decides; the page only does not offer what would be refused. */
import { ApiError, ask, change, setCsrf, signedOut } from './api.js';
import { serverSaid } from './server_clock.js';
import { Signal } from './signal.js';

/**
 * @typedef {object} Who
 * @property {string} id
 * @property {string} kind
 * @property {string} name
 * @property {string[]} roles
 * @property {Set<string>} scopes
 * @property {boolean} isLocal  let in because the request comes from this machine
 * @property {boolean} mustChangePassword
 */

/**
 * Nobody yet, or nobody any more: null. Whose session has only run out (`signedOut` says so) stays: what they were shown
 * stays on the screen too, until they or somebody else have signed in.
 * @type {Signal<Who | null>}
 */
export const who = new Signal(/** @type {Who | null} */ (null));

/** Ask the server who we are. @throws {ApiError} other than for nobody being signed in */
export async function recognise() {
  try {
    const { data, timestamp } = await ask('/me');
    serverSaid(timestamp);
    setCsrf(data.csrf ?? '');
    signedOut.value = false; // before anybody asks for what follows
    who.value = {
      id: data.id,
      kind: data.kind,
      name: data.name,
      roles: data.roles ?? [],
      scopes: new Set(data.scopes ?? []),
      isLocal: data.kind === 'local',
      mustChangePassword: Boolean(data.must_change),
    };
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    setCsrf('');
    signedOut.value = true;
  }
}

/** Whoever has to change a password first may do nothing before. @param {string} scope */
export function may(scope) {
  return who.value !== null && !who.value.mustChangePassword && who.value.scopes.has(scope);
}

/**
 * @param {string} user
 * @param {string} password
 * @throws {ApiError} they are refused, or the server cannot be reached
 */
export async function signIn(user, password) {
  await change('POST', '/auth/login', { user, password });
  await recognise();
}

/**
 * Another password; other sessions of the same user end.
 * @param {string} before
 * @param {string} after
 * @throws {ApiError}
 */
export async function setPassword(before, after) {
  const answer = await change('POST', '/auth/password', { password: before, new: after });
  await recognise();
  return answer;
}

export async function signOut() {
  try {
    await change('POST', '/auth/logout', {});
  } catch (error) {
    // A session that had ended before is what was wanted.
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
  }
  setCsrf('');
  who.value = null;
  signedOut.value = true;
}
