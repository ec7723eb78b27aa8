/** The newest message of a subject, of one venue. */
import { ApiError } from '../core/api.js';
import { serverNow } from '../core/server_clock.js';
import { Signal } from '../core/signal.js';
import { stream } from '../core/stream.js';
import { ms } from '../core/time.js';

export class Newest {
  /** @type {Signal<any>} */
  message = new Signal(null);
  /** Why the server does not give it. @type {Signal<ApiError | null>} */
  refused = new Signal(/** @type {ApiError | null} */ (null));
  /** When it came, milliseconds: one that was there before, when it was published. */
  at = NaN;
  #end;

  /** @param {string} ch @param {string} venue @param {number} [everyMs] */
  constructor(ch, venue, everyMs = 100) {
    this.#end = stream.subscribe(
      { ch, mode: 'latest', every_ms: everyMs },
      {
        onMessage: ({ d, snapshot }) => {
          if (d?.venue !== venue) return;
          this.at = heardAt(d, snapshot);
          this.refused.value = null;
          this.message.value = d;
        },
        onError: ({ code, message }) =>
          (this.refused.value = new ApiError(code, message, { status: code === 'FORBIDDEN' ? 403 : 0 })),
      },
    );
  }

  stop() {
    this.#end();
  }
}

/** When a message came: one that was there before, when it was published. @param {any} d @param {boolean} [snapshot] */
export function heardAt(d, snapshot = false) {
  const now = serverNow();
  return snapshot ? Math.min(now, ms(d.ts_pub) || now) : now;
}
