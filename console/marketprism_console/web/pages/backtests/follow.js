/** A record that is followed while it goes on: server-sent events of the gateway, each the whole state. */
import { urlOf } from '../../core/api.js';

export class Followed {
  /** @type {EventSource | undefined} */
  #source;

  /** @param {(state: import('./shown.js').Shown) => void} onState @param {() => void} onEnd  nothing more comes: the record has ended, or may not be seen */
  constructor(onState, onEnd) {
    this.onState = onState;
    this.onEnd = onEnd;
  }

  get isOpen() {
    return this.#source !== undefined;
  }

  /** @param {string} id */
  open(id) {
    this.close();
    const source = (this.#source = new EventSource(urlOf(`/backtests/${encodeURIComponent(id)}/events`)));
    source.addEventListener('state', ({ data }) => this.onState(JSON.parse(data)));
    for (const last of ['end', 'refused']) source.addEventListener(last, () => this.#ended());
    // A connection that is lost is made again by the browser; one that is refused is not.
    source.addEventListener('error', () => source.readyState === EventSource.CLOSED && this.#ended());
  }

  close() {
    this.#source?.close();
    this.#source = undefined;
  }

  #ended() {
    this.close();
    this.onEnd();
  }
}
