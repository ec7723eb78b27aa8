/** The instruments to choose from. */
import { html } from '../../vendor/lit.js';
import { address, alter, hrefOf } from '../../core/address.js';
import { findInstruments, instrumentOf } from '../../core/instruments.js';
import { grouped, short } from '../../core/numbers.js';
import { Pace } from '../../core/pace.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, ms, zoneName } from '../../core/time.js';
import { movementOf } from '../../market/movement.js';
import { Quotes } from '../../market/quotes.js';
import { toggleWatched, watchList } from '../../market/watch_list.js';
import { empty, shown } from '../../parts/states.js';
import { numeric, table, unseen } from '../../parts/table.js';
import { t } from './text.js';

const MOST = 200;
const MOST_QUOTED = 60; // rows with live prices: what is seen without much scrolling
const COMMANDS = ['marketprism up --source sim', 'marketprism up --source replay:ticks.csv.gz', 'marketprism up --source okx:BTC-USDT'];

const TEXTS = /** @type {const} */ (['symbol', 'name', 'venue', 'class']);
const FIGURES = /** @type {const} */ (['last', 'change', 'volume', 'interest']);

/** @typedef {import('../../core/instruments.js').Instrument} Instrument */

/** @param {Instrument} row */
function nameOf(row) {
  return `${row.venue}.${row.symbol}`;
}

/** An instrument of the watch list that was not found now. @param {string} name @returns {Instrument | null} */
function unknown(name) {
  const place = instrumentOf(name);
  return place && { ...place, product: '', class_: '', name: '', english: '', stored: true };
}

class Instruments extends Part {
  constructor() {
    super();
    this.found = new Resource((signal) => findInstruments(this.#text(), MOST, { signal }));
    this.pace = new Pace(4, () => this.requestUpdate());
    this.quotes = new Quotes(() => this.pace.mark());
  }

  #text() {
    return address.value.params.search ?? '';
  }

  begin() {
    this.follow(this.found.known, () => this.#choose());
    this.follow(watchList, () => this.#choose());
    this.follow(address, () => void this.found.load());
    this.every(5000, () => this.found.known.value.data?.length || this.found.load());
    this.whenGone(() => this.found.stop());
    this.whenGone(() => this.quotes.stop());
    this.whenGone(() => this.pace.stop());
    void this.found.load();
  }

  /** What is shown: the watch list first, then what was found. */
  #rows() {
    const found = this.found.known.value.data ?? [];
    const ofName = new Map(found.map((row) => [nameOf(row), row]));
    const watched = watchList.value.map((name) => ofName.get(name) ?? (this.#text() ? null : unknown(name))).filter((row) => row !== null);
    const first = new Set(watched.map(nameOf));
    return [...watched, ...found.filter((row) => !first.has(nameOf(row)))];
  }

  #choose() {
    this.quotes.follow(this.#rows().filter((row) => row.stored).slice(0, MOST_QUOTED));
    this.requestUpdate();
  }

  render() {
    return html`<h1>${t('title')}</h1>
      <div class="tools">
        <label>${t('find')} <input type="search" maxlength="100" .value=${this.#text()} @input=${this.#typed} /></label>
      </div>
      ${shown(this.found, () => this.#table(), { empty: () => (this.#rows().length ? undefined : this.#nothing()) })}`;
  }

  #table() {
    return table(
      { label: t('found') },
      [unseen(t('watch_list')), ...TEXTS.map((key) => t(key)), ...FIGURES.map((key) => numeric(t(key))), t('time')],
      this.#rows().map((row) => this.#row(row)),
    );
  }

  /** @param {Instrument} row */
  #row(row) {
    const name = nameOf(row);
    const isWatched = watchList.value.includes(name);
    return html`<tr>
      <td>
        <button
          type="button" class="star" aria-pressed=${isWatched} aria-label=${t('watch', { name })} title=${t('watch', { name })}
          @click=${() => toggleWatched(name)}
        >${isWatched ? '★' : '☆'}</button>
      </td>
      <th scope="row" class="wrap"><a href=${hrefOf(`/market/${name}`)}>${row.symbol}</a></th>
      <td class="wrap">${row.name}</td><td>${row.venue}</td><td>${row.class_}</td>
      ${this.#quote(this.quotes.of(name), row)}
    </tr>`;
  }

  /** @param {any} tick @param {Instrument} row */
  #quote(tick, row) {
    if (!tick) return html`<td class="dim" colspan="5">${row.stored ? '' : t('no_data')}</td>`;
    const { way, sign, moved, share } = movementOf(tick);
    return html`<td class="number ${way}">${sign} ${grouped(tick.last)}</td>
      <td class="number ${way}">${moved ? `${moved} (${share})` : '–'}</td>
      <td class="number">${short(tick.volume)}</td>
      <td class="number">${short(tick.open_interest)}</td>
      <td class="time">${dateTime(ms(tick.ts_event), row.venue)} <span class="dim">${zoneName(row.venue)}</span></td>`;
  }

  #nothing() {
    const text = this.#text();
    if (text) return empty(t('none_found', { text }));
    return empty(t('nothing_yet'), html`<p>${t('nothing_yet_more')}</p>${COMMANDS.map((each) => html`<p><code>${each}</code></p>`)}`);
  }

  /** @param {InputEvent & {target: HTMLInputElement}} event */
  #typed = (event) => alter({ search: event.target.value });
}

customElements.define('mp-instruments', Instruments);
