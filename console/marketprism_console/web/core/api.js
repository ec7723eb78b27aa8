/** Requests to `/api/v1/…`: the envelope opened, errors as `ApiError`. */
import { Signal } from './signal.js';

/** What the gateway, or the way to it, says instead of an answer. */
export class ApiError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{status?: number, requestId?: string, retryAfterS?: number, details?: any}} [more]
   */
  constructor(code, message, more = {}) {
    super(message);
    this.code = code;
    this.status = more.status ?? 0;
    this.requestId = more.requestId ?? '';
    this.retryAfterS = more.retryAfterS ?? 0;
    this.details = more.details ?? {};
  }
}

/**
 * @typedef {object} Answer
 * @property {any} data
 * @property {string} message
 * @property {string} timestamp  when it was answered, ISO 8601 in UTC; a browser may have kept the answer
 * @property {boolean} truncated  there is more than was answered
 * @property {string} next  what `after` is for the page that follows, or empty
 * @property {string} requestId
 * @property {string} etag  of what was answered, for a change of it; or empty
 */

/**
 * Set when an answer says that nobody is signed in any more. Until somebody is again, nothing else is asked.
 * @type {Signal<boolean>}
 */
export const signedOut = new Signal(false);

/** Goes with every change that a session makes; `who.js` sets it. */
let csrf = '';

/** @param {string} text */
export function setCsrf(text) {
  csrf = text;
}

/**
 * @param {string} path  below `/api/v1`
 * @param {Record<string, string | number | boolean | null | undefined>} [params]
 * @returns {string}
 */
export function urlOf(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  return `/api/v1${path}${text ? `?${text}` : ''}`;
}

/**
 * A question.
 * @param {string} path
 * @param {Record<string, string | number | boolean | null | undefined>} [params]
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<Answer>}
 * @throws {ApiError}
 */
export async function ask(path, params, options = {}) {
  return opened(await sent(urlOf(path, params), { signal: options.signal ?? null }));
}

/**
 * A change.
 * @param {'POST' | 'PUT' | 'PATCH' | 'DELETE'} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<Answer>}
 * @throws {ApiError}
 */
export async function change(method, path, body, headers = {}) {
  /** @type {Record<string, string>} */
  const all = { ...headers };
  if (csrf) all['X-MarketPrism-Csrf'] = csrf;
  if (body !== undefined) all['Content-Type'] = 'application/json';
  const init = { method, headers: all, body: body === undefined ? null : JSON.stringify(body) };
  return opened(await sent(urlOf(path), init));
}

/**
 * @param {string} url
 * @param {RequestInit} init
 */
async function sent(url, init) {
  if (signedOut.value && !isForAnybody(url)) {
    throw new ApiError('UNAUTHENTICATED', 'credentials: expected a session, there was none', { status: 401 });
  }
  try {
    return await fetch(url, { credentials: 'same-origin', redirect: 'error', ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError('UNREACHABLE', String(error), { retryAfterS: 1 });
  }
}

/** Whether it is about signing in: its refusals are no end of a session. @param {string} url */
function isForAnybody(url) {
  return url === urlOf('/me') || url === urlOf('/auth') || url.startsWith(urlOf('/auth/'));
}

/**
 * @param {Response} response
 * @returns {Promise<Answer>}
 */
async function opened(response) {
  /** @type {any} */
  let body = null;
  try {
    body = await response.json();
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
  }
  if (response.ok && body?.success === true) {
    const { data, message, truncated = false, next = '', request_id: requestId = '', timestamp } = body;
    return { data, message, truncated, next, requestId, timestamp, etag: response.headers.get('ETag') ?? '' };
  }
  if (response.status === 401 && !isForAnybody(new URL(response.url).pathname)) signedOut.value = true;
  const error = body?.error ?? {};
  throw new ApiError(String(error.code ?? 'BAD_ANSWER'), String(error.message ?? response.statusText), {
    status: response.status,
    requestId: String(body?.request_id ?? response.headers.get('X-Request-Id') ?? ''),
    retryAfterS: Number(response.headers.get('Retry-After')) || 0,
    details: error.details,
  });
}
