/** What every element of the page is: it stands in the page's own tree, and follows what it shows. */
import { LitElement } from '../vendor/lit.js';
import { preferences } from './preferences.js';

export class Part extends LitElement {
  /** @type {(() => void)[]} */
  #ends = [];

  /** One style sheet for all, and one tree for keyboards and screen readers. */
  createRenderRoot() {
    return /** @type {any} */ (this);
  }

  connectedCallback() {
    super.connectedCallback();
    this.follow(preferences);
    this.begin();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const end of this.#ends.splice(0)) end();
  }

  /** Called when the element comes into the page: what it follows from then on. */
  begin() {}

  /**
   * Follow a signal for as long as the element is in the page.
   * @template T
   * @param {import('./signal.js').Signal<T>} signal
   * @param {(value: T) => void} [then]  without it the element is rendered anew
   */
  follow(signal, then = () => this.requestUpdate()) {
    this.#ends.push(signal.subscribe(then));
  }

  /**
   * Show what is known of resources; nothing more is asked once the element has left the page.
   * @param {import('./resource.js').Resource<any>[]} all
   */
  uses(...all) {
    for (const each of all) {
      this.follow(each.known);
      this.#ends.push(() => each.stop());
    }
  }

  /** Call `end` when the element leaves the page. @param {() => void} end */
  whenGone(end) {
    this.#ends.push(end);
  }

  /** Call `work` every so often for as long as the element is in the page and somebody looks. @param {number} everyMs @param {() => void} work */
  every(everyMs, work) {
    const timer = setInterval(() => document.hidden || work(), everyMs);
    this.#ends.push(() => clearInterval(timer));
  }
}
