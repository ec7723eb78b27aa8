/** Who led which group when: what the leases say, laid out over time, with the hand-overs between them. */
import { Signal } from '../core/signal.js';
import { stream } from '../core/stream.js';
import { newestEvent, system } from './live.js';
import { shared } from './shared.js';

/** @typedef {{holder: string, epoch: number, from: number, to: number}} Span  `holder` is empty while nobody leads; `to` is NaN while it lasts */
/** @typedef {{at: number, key: string, from: string, to: string, epoch: number, took: number, cause: string}} HandOver */
/** @typedef {{service: string, group: string, spans: Span[], seen: number}} Lane */

export const SHOWN_MS = 15 * 60_000;
const KEY = 'marketprism.elections';
const MOST_LANES = 100;
const MOST_EVENTS = 200;
const LONG_MS = 2000; // a cut that is longer is shown

/** @param {{service: string, group: string}} row */
const laneKey = (row) => `${row.service}.${row.group}`;

export class Elections {
  /** @type {Map<string, Lane>} */
  lanes = new Map();
  /** @type {{at: number, key: string, name: string, holder: string, epoch: number, reason: string, took: number}[]} */
  #events = [];

  /** What the leases say now. @param {import('./live.js').LeaderRow[]} rows @param {number} at */
  leads(rows, at) {
    for (const row of rows) {
      const key = laneKey(row);
      const holder = row.state === 'held' ? row.holder : '';
      let lane = this.lanes.get(key);
      if (!lane) {
        if (this.lanes.size >= MOST_LANES) continue;
        lane = { service: row.service, group: row.group, spans: [], seen: at };
        this.lanes.set(key, lane);
      }
      const now = lane.spans.at(-1);
      if (now && now.holder === holder && (now.epoch === row.epoch || !holder)) continue;
      if (now && holder && row.epoch < now.epoch) continue; // read before what is known
      if (now) now.to = at;
      lane.spans.push({ holder, epoch: row.epoch, from: at, to: NaN });
    }
    this.#forget(at);
  }

  /** What a service told of its lease. @param {string} name @param {any} event @param {number} at */
  told(name, event, at) {
    if (!/^Lease(Acquired|Lost|Released)$/.test(name) || typeof event?.key !== 'string') return;
    const { key, holder = '', epoch = 0, reason = '', takeover_s: took = NaN } = event;
    this.#events.push({ at, key, name, holder: String(holder), epoch: Number(epoch), reason: String(reason), took: Number(took) * 1000 });
    if (this.#events.length > MOST_EVENTS) this.#events.splice(0, this.#events.length - MOST_EVENTS);
  }

  /** Nobody looked between: what was known until then is not drawn as if it had gone on. @param {number} until @param {number} at */
  hole(until, at) {
    for (const lane of this.lanes.values()) {
      const now = lane.spans.at(-1);
      if (now && Number.isNaN(now.to)) {
        now.to = until;
        lane.spans.push({ holder: '?', epoch: 0, from: until, to: at });
      }
    }
  }

  /** Every change of a leader that was seen, newest first. @returns {HandOver[]} */
  handOvers() {
    /** @type {HandOver[]} */
    const found = [];
    for (const [key, { spans }] of this.lanes) {
      for (let i = 1; i < spans.length; i += 1) {
        const { holder, epoch, from } = spans[i];
        const before = spans.slice(0, i).reverse().find((each) => each.holder && each.holder !== '?');
        if (!holder || holder === '?' || !before) continue;
        if (before.holder === holder && before.epoch === epoch) continue;
        const won = this.#events.find((each) => each.name === 'LeaseAcquired' && each.key === key && each.epoch === epoch);
        const lost = this.#events.findLast((each) => each.name !== 'LeaseAcquired' && each.key === key && each.epoch === before.epoch);
        const cause = lost ? (lost.name === 'LeaseReleased' ? 'released' : lost.reason) : spans[i - 1].holder === '?' ? '?' : '';
        found.push({ at: from, key, from: before.holder, to: holder, epoch, took: won?.took ?? NaN, cause });
      }
    }
    return found.sort((a, b) => b.at - a.at);
  }

  /** @param {number} now */
  #forget(now) {
    for (const lane of this.lanes.values()) {
      while (lane.spans.length > 1 && lane.spans[0].to < now - SHOWN_MS) lane.spans.shift();
      if (lane.spans.length > 500) lane.spans.splice(0, lane.spans.length - 500);
    }
  }

  /** For a reload of this tab: what was seen is known afterwards, too. @param {number} at */
  kept(at) {
    return JSON.stringify({ at, lanes: [...this.lanes], events: this.#events });
  }

  /** @param {string} text @param {number} now */
  static from(text, now) {
    const found = new Elections();
    const { at, lanes, events } = JSON.parse(text);
    if (!(now - at < SHOWN_MS)) return found;
    for (const [key, lane] of lanes) {
      // JSON has no NaN.
      for (const span of lane.spans) span.to ??= NaN;
      found.lanes.set(key, lane);
    }
    found.#events = events.map((/** @type {any} */ each) => ({ ...each, took: each.took ?? NaN }));
    found.hole(at, now);
    return found;
  }
}

function remembered() {
  try {
    const text = sessionStorage.getItem(KEY);
    if (text) return Elections.from(text, Date.now());
  } catch {
    // Storage that is forbidden or broken holds nothing: the lanes begin now.
  }
  return new Elections();
}

export const elections = remembered();
/** Counts what has become another: a leader, or what is told of one. @type {Signal<number>} */
export const moved = new Signal(0);

function keep() {
  try {
    sessionStorage.setItem(KEY, elections.kept(Date.now()));
  } catch {
    // As above.
  }
}

let leftAt = NaN;
let cutAt = NaN;

/** Follow elections for as long as a part is in the page. */
export const followElections = shared(() => {
  if (Number.isFinite(leftAt)) elections.hole(leftAt, Date.now());
  const known = system.leaders.value;
  if (known && !(known.at < leftAt)) take(known);
  const ends = [system.leaders.subscribe(take), newestEvent.subscribe(hear), stream.state.subscribe(look)];
  addEventListener('pagehide', keep);
  return () => {
    leftAt = Date.now();
    for (const end of ends) end();
    keep();
    removeEventListener('pagehide', keep);
  };
});

/** @param {import('./live.js').Seen<import('./live.js').LeaderRow[]> | null} seen */
function take(seen) {
  if (!seen) return;
  elections.leads(seen.value, seen.at);
  moved.value += 1;
}

/** What happened while nothing was heard is not known. @param {{is: string}} state */
function look({ is }) {
  if (is !== 'live') {
    if (Number.isNaN(cutAt)) cutAt = Date.now();
    return;
  }
  if (Date.now() - cutAt > LONG_MS) elections.hole(cutAt, Date.now());
  cutAt = NaN;
}

/** @param {typeof newestEvent.value} told */
function hear(told) {
  if (!told) return;
  elections.told(told.name, told.event, told.at);
  moved.value += 1;
}
