/** One channel that somebody on the page wants, and how far it has come: nothing is handed on twice, or out of order. */

/**
 * @typedef {object} Wanted
 * @property {string} ch  a subject; `*` is any token, a last `>` the rest
 * @property {'latest' | 'all'} [mode]  `all` by one who asks is `all` for everybody on the page
 * @property {number} [every_ms]
 * @property {number} [depth]
 * @property {number} [snapshot]  with so many of the last messages first
 */

/**
 * @typedef {object} Message
 * @property {string} ch  the subject
 * @property {number} n  its sequence in the stream
 * @property {any} d
 * @property {boolean} [snapshot]
 */

/**
 * @typedef {object} Listener
 * @property {(message: Message) => void} onMessage
 * @property {() => void} [onBegin]  the channel is on
 * @property {(gap: any) => void} [onGap]  messages are not in the stream any more
 * @property {(count: number) => void} [onSkipped]  so many were left out for newer ones
 * @property {(error: any) => void} [onError]  the server does not give it
 */

const MOST_KEPT = 5000; // newest messages, one a subject

export class Channel {
  isOn = false;
  /** @type {Map<Listener, Wanted>} */
  listeners = new Map();
  #at = ''; // `stream/incarnation` of the server's token
  #n = -1;
  /** Sequence of the last message of each subject. @type {Map<string, number>} */
  #ofSubject = new Map();
  /** @type {Map<string, Message>} */
  #newest = new Map();

  /** @param {string} ch */
  constructor(ch) {
    this.ch = ch;
    this.tokens = ch.split('.');
    this.isPattern = this.tokens.some((token) => token === '*' || token === '>');
  }

  /** What all who listen want together. @returns {Wanted} */
  get wanted() {
    const all = [...this.listeners.values()];
    const snapshot = Math.max(...all.map((each) => each.snapshot ?? 0));
    const first = snapshot ? { snapshot } : {};
    if (all.some((each) => each.mode === 'all')) return { ch: this.ch, mode: 'all', ...first };
    const pace = Math.min(...all.map((each) => each.every_ms ?? 0));
    const depth = all.find((each) => each.depth)?.depth;
    return {
      ch: this.ch,
      ...(all.some((each) => each.mode === 'latest') ? { mode: 'latest' } : {}),
      ...(pace ? { every_ms: pace } : {}),
      ...(depth ? { depth } : {}),
      ...first,
    };
  }

  /** What the server is asked: to go on behind the last message, where each counts. */
  request() {
    const { wanted } = this;
    if (wanted.mode !== 'all' || !this.#at || this.#n < 0) return wanted;
    return { ch: wanted.ch, mode: wanted.mode, after: `${this.#at}/${this.#n}` };
  }

  /** Whoever comes later begins with the newest that is known. @param {Listener} listener @param {Wanted} wanted */
  add(listener, wanted) {
    this.listeners.set(listener, wanted);
    if (wanted.mode !== 'all') for (const message of this.#newest.values()) listener.onMessage({ ...message, snapshot: true });
    if (this.isOn) listener.onBegin?.();
  }

  /** The connection is another one. */
  isCut() {
    this.isOn = false;
    if (this.wanted.mode === 'all') return;
    this.#at = '';
    this.#n = -1;
    this.#ofSubject.clear();
  }

  /** The channel is on, behind a token. @param {string} token */
  begin(token) {
    const at = token.slice(0, token.lastIndexOf('/'));
    const n = Number(token.slice(token.lastIndexOf('/') + 1));
    if (at !== this.#at) {
      this.#ofSubject.clear(); // another stream, or the same made anew: its numbers begin again
      this.#n = -1;
    }
    this.#at = at;
    this.#n = Math.max(this.#n, Number.isFinite(n) ? n : -1);
    this.isOn = true;
    for (const listener of this.listeners.keys()) listener.onBegin?.();
  }

  /** @param {string} subject */
  matches(subject) {
    if (!this.isPattern) return subject === this.ch;
    const tokens = subject.split('.');
    for (let at = 0; at < this.tokens.length; at += 1) {
      if (this.tokens[at] === '>') return tokens.length > at;
      if (at >= tokens.length || (this.tokens[at] !== '*' && this.tokens[at] !== tokens[at])) return false;
    }
    return tokens.length === this.tokens.length;
  }

  /** Hand a message on that is new here. @param {Message} message */
  take(message) {
    if ((this.#ofSubject.get(message.ch) ?? -1) >= message.n) return;
    this.#ofSubject.set(message.ch, message.n);
    this.#n = Math.max(this.#n, message.n);
    this.#newest.delete(message.ch);
    this.#newest.set(message.ch, message);
    if (this.#newest.size > MOST_KEPT) this.#newest.delete(/** @type {string} */ (this.#newest.keys().next().value));
    for (const listener of [...this.listeners.keys()]) listener.onMessage(message);
  }

  /** Everything up to a sequence is here, though nothing came. @param {Record<string, number>} at */
  advance(at) {
    const reached = at[this.#at.slice(0, this.#at.indexOf('/'))];
    if (this.isOn && reached > this.#n) this.#n = reached;
  }
}
