/**
 * The live stream: one WebSocket for the whole page. A cut is gone on from behind the last message of each channel, at
 * whatever instance answers; while nobody sees the page the connection is closed, and taken up again afterwards.
 */
import { Signal } from './signal.js';
import { Channel } from './channel.js';

/** @typedef {import('./channel.js').Wanted} Wanted */
/** @typedef {import('./channel.js').Listener} Listener */

/**
 * `live`: messages come. `connecting`, `away`: they do not, since when and why. `quiet`: connected, but nothing is heard.
 * `refused`: the server does not let us in. `hidden`: nobody looks.
 * @typedef {'connecting' | 'live' | 'quiet' | 'away' | 'refused' | 'hidden'} StateName
 * @typedef {{is: StateName, since: number, retryAt?: number, why?: string}} State
 */

const SOON_MS = 15; // requests that are made together are one message
const PING_MS = 800;
const QUIET_MS = 1800;
const DEAD_MS = 6000;
const HIDDEN_MS = 10_000;
const LONGEST_PAUSE_MS = 5000;
const REFUSED = new Set([4001, 4003, 4010]);

class Stream {
  /** @type {Signal<State>} */
  state = new Signal(/** @type {State} */ ({ is: 'connecting', since: Date.now() }));
  /** Messages of the market since the page was opened. */
  received = 0;
  /** Whether the server has NATS, as it said last on this connection, and since when. @type {Signal<{code: string, since: number} | null>} */
  notice = new Signal(/** @type {{code: string, since: number} | null} */ (null));
  /** @type {Map<string, Channel>} */
  #channels = new Map();
  /** @type {Set<Channel>} */
  #unasked = new Set();
  /** @type {WebSocket | null} */
  #socket = null;
  #isOpen = false;
  #failures = 0;
  #heard = 0;
  #id = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #again;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #hiding;

  /** @param {string} url */
  constructor(url) {
    this.url = url;
    setInterval(() => this.#look(), 400);
    document.addEventListener('visibilitychange', () => this.#seen());
    addEventListener('online', () => this.connect());
  }

  /**
   * Have a channel until the function that is returned is called.
   * @param {Wanted} wanted
   * @param {Listener} listener
   * @returns {() => void}
   */
  subscribe(wanted, listener) {
    let channel = this.#channels.get(wanted.ch);
    if (!channel) this.#channels.set(wanted.ch, (channel = new Channel(wanted.ch)));
    this.#alter(channel, (each) => each.add(listener, wanted));
    if (!this.#socket && !document.hidden && this.state.value.is !== 'refused') this.connect();
    return () => {
      if (channel.listeners.has(listener)) this.#alter(channel, (each) => each.listeners.delete(listener));
    };
  }

  /** Who listens becomes another; the server is asked for what they want together. @param {Channel} channel @param {(channel: Channel) => void} change */
  #alter(channel, change) {
    const before = channel.listeners.size ? JSON.stringify(channel.wanted) : '';
    change(channel);
    if (!channel.listeners.size) {
      this.#channels.delete(channel.ch);
      this.#unasked.delete(channel);
      this.#send({ op: 'unsubscribe', channels: [channel.ch] });
    } else if (JSON.stringify(channel.wanted) !== before) {
      if (before && !this.#unasked.has(channel)) this.#send({ op: 'unsubscribe', channels: [channel.ch] });
      this.#ask(channel);
    }
  }

  /** Connect now, if there is no connection. */
  connect() {
    clearTimeout(this.#again);
    if (this.#socket || document.hidden) return;
    if (this.state.value.is !== 'away') this.#becomes('connecting');
    const socket = new WebSocket(this.url, ['marketprism.v1.json']);
    this.#socket = socket;
    this.#heard = performance.now();
    socket.onmessage = (event) => this.#take(event.data);
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#cut(event.code, event.reason);
    };
  }

  /** Connect anew, as somebody else. */
  restart() {
    this.#drop();
    this.#failures = 0;
    this.connect();
  }

  /** @param {State['is']} is @param {Partial<State>} [more] */
  #becomes(is, more = {}) {
    if (this.state.value.is !== is || more.retryAt) this.state.value = { is, since: Date.now(), ...more };
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#isOpen = false;
    clearTimeout(this.#again);
    clearTimeout(this.#soon); // it would take what the next connection has to ask for
    this.#soon = undefined;
    this.#unasked = new Set(this.#channels.values());
    for (const each of this.#unasked) each.isCut();
    socket?.close(1000);
  }

  /** @param {number} code @param {string} reason */
  #cut(code, reason) {
    this.#drop();
    if (REFUSED.has(code)) {
      this.#becomes('refused', { why: reason || String(code) });
      return;
    }
    const pause = code === 1012 ? 0 : Math.min(LONGEST_PAUSE_MS, 250 * 2 ** this.#failures) * (0.75 + Math.random() / 2);
    this.#failures += 1;
    this.#becomes('away', { why: reason || String(code), retryAt: Date.now() + pause });
    if (!document.hidden) this.#again = setTimeout(() => this.connect(), pause);
  }

  // -- requests ------------------------------------------------------------------------------------------------------

  /** @param {Channel} channel */
  #ask(channel) {
    this.#unasked.add(channel);
    if (this.#isOpen && !this.#soon) this.#soon = setTimeout(() => this.#askSoon(), SOON_MS);
  }

  #askSoon() {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    if (!this.#unasked.size) return;
    this.#id += 1;
    const channels = [...this.#unasked].map((each) => each.request());
    this.#unasked.clear();
    this.#send({ op: 'subscribe', id: this.#id, channels, batch: true });
  }

  /** @param {object} request */
  #send(request) {
    if (this.#isOpen) this.#socket?.send(JSON.stringify(request));
  }

  // -- messages ------------------------------------------------------------------------------------------------------

  /** @param {string} text */
  #take(text) {
    this.#heard = performance.now();
    /** @type {any} */
    let found;
    try {
      found = JSON.parse(text);
    } catch {
      this.#cut(1007, 'a message that is no JSON');
      return;
    }
    if (this.#isOpen) this.#becomes('live');
    for (const message of Array.isArray(found) ? found : [found]) {
      if (message?.type) this.#told(message);
      else if (typeof message?.ch === 'string') this.#market(message);
    }
  }

  /** @param {import('./channel.js').Message} message */
  #market(message) {
    this.received += 1;
    for (const each of this.#channels.values()) if (each.matches(message.ch)) each.take(message);
  }

  /** @param {any} message */
  #told(message) {
    const listeners = [...(this.#channels.get(message.ch)?.listeners.keys() ?? [])];
    if (message.type === 'hello') {
      this.#isOpen = true;
      this.#failures = 0;
      this.notice.value = null;
      this.#becomes('live');
      this.#askSoon();
    } else if (message.type === 'subscribed') {
      this.#channels.get(message.ch)?.begin(message.at);
    } else if (message.type === 'heartbeat') {
      for (const each of this.#channels.values()) each.advance(message.at ?? {});
    } else if (message.type === 'gap') {
      for (const each of listeners) each.onGap?.(message);
    } else if (message.type === 'conflated') {
      for (const each of listeners) each.onSkipped?.(message.skipped);
    } else if (message.type === 'notice') {
      if (message.code.startsWith('UPSTREAM_')) this.notice.value = { code: message.code, since: Date.now() };
    } else if (message.type === 'error') {
      for (const each of listeners) each.onError?.(message);
    }
  }

  // -- whether anybody is there ----------------------------------------------------------------------------------------

  #look() {
    if (!this.#socket || document.hidden) return;
    const quiet = performance.now() - this.#heard;
    if (quiet > DEAD_MS) this.#cut(4000, 'nothing was heard');
    else if (this.#isOpen && quiet > QUIET_MS) this.#becomes('quiet');
    else if (this.#isOpen && quiet > PING_MS) this.#send({ op: 'ping' });
  }

  #seen() {
    clearTimeout(this.#hiding);
    if (document.hidden) {
      this.#hiding = setTimeout(() => {
        this.#drop();
        this.#becomes('hidden');
      }, HIDDEN_MS);
    } else {
      this.connect();
    }
  }
}

export const stream = new Stream(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/v1/stream`);
