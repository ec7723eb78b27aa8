/** The newest message of a subject, of one venue. */
import { Signal } from '../core/signal.js';
import { stream } from '../core/stream.js';

export class Newest {
  /** @type {Signal<any>} */
  message = new Signal(null);
  /** Why the server does not give it. @type {Signal<string>} */
  refused = new Signal('');
  #end;

  /** @param {string} ch @param {string} venue @param {number} [everyMs] */
  constructor(ch, venue, everyMs = 100) {
    this.#end = stream.subscribe(
      { ch, mode: 'latest', every_ms: everyMs },
      {
        onMessage: ({ d }) => {
          if (d?.venue === venue) this.message.value = d;
        },
        onError: ({ code }) => (this.refused.value = code),
      },
    );
  }

  stop() {
    this.#end();
  }
}
