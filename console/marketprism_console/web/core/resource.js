/** An answer that is waited for: what is known of it now, and what went wrong. */
import { ApiError, signedOut } from './api.js';
import { Signal } from './signal.js';

/**
 * @template T
 * @typedef {object} Known
 * @property {boolean} loading
 * @property {T | undefined} data  what came last; it stays while it is asked for anew, and when that fails
 * @property {ApiError | undefined} error
 * @property {number} at  when `data` came, milliseconds
 */

/** @template T */
export class Resource {
  /** @type {Signal<Known<T>>} */
  known = new Signal(/** @type {Known<T>} */ ({ loading: false, data: undefined, error: undefined, at: NaN }));
  #read;
  /** @type {AbortController | undefined} */
  #asking;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #again;
  /** @type {(() => void) | undefined} */
  #waiting;

  /** @param {(signal: AbortSignal) => Promise<T>} read */
  constructor(read) {
    this.#read = read;
  }

  get data() {
    return this.known.value.data;
  }

  /** Ask (again); what was asked before is not waited for. @param {{forget?: boolean}} [options] */
  async load({ forget = false } = {}) {
    this.stop();
    const asking = (this.#asking = new AbortController());
    const before = this.known.value;
    this.known.value = { ...before, data: forget ? undefined : before.data, loading: true };
    try {
      const data = await this.#read(asking.signal);
      if (this.#asking === asking) this.known.value = { loading: false, data, error: undefined, at: Date.now() };
    } catch (error) {
      if (this.#asking !== asking) return;
      const failure = error instanceof ApiError ? error : new ApiError('PAGE', String(error));
      if (!(error instanceof ApiError)) console.error(error);
      if (failure.status === 401) {
        this.#waitForSignIn();
        return;
      }
      this.known.value = { ...this.known.value, loading: false, error: failure };
      // What will pass by itself is asked for again without anybody's doing.
      if (failure.retryAfterS) this.#again = setTimeout(() => this.load(), failure.retryAfterS * 1000);
    }
  }

  /** What is known stays until somebody has signed in again; then it is asked for anew. */
  #waitForSignIn() {
    this.#waiting = signedOut.subscribe((isOut) => {
      if (!isOut) void this.load();
    });
    if (!signedOut.value) signedOut.value = true;
  }

  /** Nothing is known, as at the beginning: what was asked for is of something else. */
  forget() {
    this.stop();
    this.known.value = { loading: false, data: undefined, error: undefined, at: NaN };
  }

  /** Nothing is asked any more. */
  stop() {
    clearTimeout(this.#again);
    this.#waiting?.();
    this.#waiting = undefined;
    this.#asking?.abort();
    this.#asking = undefined;
  }

  /** @param {T} data  known from elsewhere */
  set(data) {
    this.known.value = { loading: false, data, error: undefined, at: Date.now() };
  }
}
