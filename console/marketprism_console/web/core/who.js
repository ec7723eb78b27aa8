/** Who is signed in, and what they may do. The server decides; the page only does not offer what would be refused. */
import { ApiError, ask, change, setCsrf, signedOut } from './api.js';
import { Signal } from './signal.js';

/**
 * @typedef {object} Who
 * @property {string} id
 * @property {string} name
 * @property {string[]} roles
 * @property {Set<string>} scopes
 * @property {boolean} isLocal  let in because the request comes from this machine
 * @property {boolean} mustChangePassword
 */

/** Nobody yet, or nobody any more: null. @type {Signal<Who | null>} */
export const who = new Signal(/** @type {Who | null} */ (null));

/** Ask the server who we are. @throws {ApiError} other than for nobody being signed in */
export async function recognise() {
  try {
    const { data } = await ask('/me');
    setCsrf(data.csrf ?? '');
    signedOut.value = false;
    who.value = {
      id: data.id,
      name: data.name,
      roles: data.roles ?? [],
      scopes: new Set(data.scopes ?? []),
      isLocal: data.kind === 'local',
      mustChangePassword: Boolean(data.must_change),
    };
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    who.value = null;
    signedOut.value = true;
  }
}

/** @param {string} scope */
export function may(scope) {
  return who.value?.scopes.has(scope) ?? false;
}

export async function signOut() {
  await change('POST', '/auth/logout', {});
  who.value = null;
  signedOut.value = true;
}
