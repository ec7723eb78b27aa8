/** The live tape of events. */
import { html, nothing, repeat } from '../../vendor/lit.js';
import { address, alter, hrefOf } from '../../core/address.js';
import { count } from '../../core/numbers.js';
import { Pace } from '../../core/pace.js';
import { Part } from '../../core/part.js';
import { clock, date } from '../../core/time.js';
import { gravityOf, knownNames, sentenceOf, titleOf } from '../../events/words.js';
import { download } from '../../parts/download.js';
import { narrow } from '../../parts/filters.js';
import { empty, failed, shown } from '../../parts/states.js';
import { table } from '../../parts/table.js';
import { density } from './density.js';
import { momentOf, Tape } from './tape.js';
import { t } from './text.js';

const MOST_SHOWN = 200;
const MOST_PER_S = 50;

class LiveEvents extends Part {
  constructor() {
    super();
    /** @type {Tape | null} */
    this.tape = null;
    this.filtersText = '';
    /** Those that stood there when it was paused. @type {import('./tape.js').Row[] | null} */
    this.paused = null;
    this.most = MOST_SHOWN;
    this.pace = new Pace(2, () => this.requestUpdate());
    /** @type {(() => void)[]} */
    this.ends = [];
  }

  begin() {
    this.follow(address, () => this.#choose());
    this.whenGone(() => this.#stop());
    this.#choose();
    this.every(2000, () => this.tape && this.tape.rate > 0 && this.pace.mark());
  }

  #stop() {
    for (const end of this.ends.splice(0)) end();
    this.tape?.stop();
    this.tape = null;
    this.filtersText = '';
    this.pace.stop();
  }

  #choose() {
    const { name = '', venue = '', symbol = '', service = '', routine } = address.value.params;
    const filters = { name, venue, symbol, service, routine: routine === 'yes' || Boolean(name) };
    const text = JSON.stringify(filters);
    if (text === this.filtersText) return;
    this.#stop();
    this.filtersText = text;
    this.paused = null;
    this.most = MOST_SHOWN;
    const tape = (this.tape = new Tape(filters));
    const mark = () => this.pace.mark();
    this.ends.push(tape.came.subscribe(mark), tape.withoutSystem.subscribe(mark), tape.holeAt.subscribe(mark));
    this.ends.push(tape.past.known.subscribe(mark), tape.older.known.subscribe(mark));
    tape.begin();
    this.requestUpdate();
  }

  render() {
    const { tape } = this;
    if (!tape) return nothing;
    const held = tape.settle();
    const rows = this.paused ?? held;
    const every = tape.rate > MOST_PER_S && !this.paused ? 2 ** Math.ceil(Math.log2(tape.rate / MOST_PER_S)) : 1;
    const shownRows = every === 1 ? rows : rows.filter((row, n) => gravityOf(row.name) || (rows.length - n) % every === 0);
    return html`<mp-filters .fields=${this.#fields(held)}></mp-filters>
      <div class="tools">
        <button type="button" aria-pressed=${Boolean(this.paused)} @click=${this.#pause}>${t(this.paused ? 'go_on' : 'pause')}</button>
        <label>
          <input type="checkbox" .checked=${tape.filters.routine} ?disabled=${Boolean(tape.filters.name)} @change=${this.#routine} />
          ${t('routine')}
        </label>
        <span class="dim apart" role="status">${this.#status(held, every)}</span>
        <button type="button" ?disabled=${!rows.length} @click=${() => this.#download(rows)}>${t('download')}</button>
      </div>
      ${tape.withoutSystem.value ? html`<p class="dim">${t('without_system', { why: tape.withoutSystem.value })}</p>` : nothing}
      ${Number.isFinite(tape.holeAt.value) ? html`<p class="warn">${t('hole', { time: clock(tape.holeAt.value) })}</p>` : nothing}
      ${shown(tape.past, () => html`${density(rows)} ${this.#table(shownRows)}`, {
        lines: 10,
        empty: () => (rows.length ? undefined : this.#nothing(tape)),
      })}
      ${tape.older.known.value.error ? failed(tape.older.known.value.error, this.#older) : nothing}`;
  }

  /** @param {import('./tape.js').Row[]} held @param {number} every */
  #status(held, every) {
    if (this.paused) return t('paused', { count: count(held.length - this.paused.length) });
    const rate = this.tape?.rate ?? 0;
    if (every > 1) return t('sampled', { rate: count(rate), every });
    return t('rate', { rate: rate < 10 ? rate.toFixed(1) : count(rate), count: count(held.length) });
  }

  /** @param {import('./tape.js').Row[]} rows */
  #table(rows) {
    const left = rows.length - this.most;
    return html`${table(
      { label: t('events'), kind: 'events' },
      [t('time'), t('event'), t('instrument'), t('service'), t('what')],
      repeat(rows.slice(0, this.most), (row) => row.key, (row) => this.#row(row)),
    )}
      <div class="tools">
        <span class="dim">${t('shown', { count: count(Math.min(rows.length, this.most)), all: count(rows.length) })}</span>
        ${left > 0
          ? html`<button type="button" @click=${this.#more}>${t('more')}</button>`
          : this.tape?.before
            ? html`<button type="button" @click=${this.#older}>${t('older')}</button>`
            : nothing}
      </div>`;
  }

  /** @param {import('./tape.js').Row} row */
  #row(row) {
    const gravity = gravityOf(row.name);
    const today = date(row.at) === date(Date.now());
    return html`<tr class=${gravity}>
      <td class="time">${today ? '' : html`${date(row.at)} `}${clock(row.at, undefined, 3)}</td>
      <td>
        ${gravity ? html`<span class=${gravity} role="img" aria-label=${t(gravity)}>${gravity === 'bad' ? '✕' : '▲'}</span>` : nothing}
        ${narrow('name', row.name, t('event'), titleOf(row.name))}
      </td>
      <td>
        ${row.venue ? narrow('venue', row.venue, t('venue')) : nothing}
        ${row.symbol ? html`<a class="wrap" href=${hrefOf(`/market/${row.venue}.${row.symbol}`, { t: momentOf(row) })}>${row.symbol}</a>` : nothing}
      </td>
      <td>${narrow('service', row.service, t('service'))}</td>
      <td class="what">
        <details>
          <summary class="wrap">${sentenceOf(row)}</summary>
          <pre class="code wrap">${row.name} ${JSON.stringify(row.data, null, 1)}</pre>
        </details>
      </td>
    </tr>`;
  }

  /** @param {Tape} tape */
  #nothing(tape) {
    const { name, venue, symbol, service, routine } = tape.filters;
    if (!name && !venue && !symbol && !service && routine) return empty(t('none'), html`<p>${t('none_more')}</p>`);
    return empty(
      t('none_fit', { count: count(tape.leftOut) }),
      html`<p><button type="button" @click=${() => alter({ name: null, venue: null, symbol: null, service: null, routine: 'yes' })}>
          ${t('show_all')}
        </button>
        ${tape.before ? html`<button type="button" @click=${this.#older}>${t('older')}</button>` : nothing}</p>`,
    );
  }

  /** @param {import('./tape.js').Row[]} held @returns {import('../../parts/filters.js').FilterField[]} */
  #fields(held) {
    /** @param {'venue' | 'symbol' | 'service'} key */
    const seen = (key) => [...new Set(held.map((row) => row[key]).filter(Boolean))].sort().slice(0, MOST_SHOWN).map((value) => ({ value }));
    return [
      { key: 'name', label: t('event'), values: knownNames().map((value) => ({ value, label: titleOf(value) })) },
      { key: 'venue', label: t('venue'), values: seen('venue') },
      { key: 'symbol', label: t('symbol'), values: seen('symbol') },
      { key: 'service', label: t('service'), values: seen('service') },
    ];
  }

  #pause = () => {
    this.paused = this.paused ? null : [...(this.tape?.settle() ?? [])];
    this.requestUpdate();
  };

  #more = () => {
    this.most += MOST_SHOWN;
    this.requestUpdate();
  };

  #older = () => {
    this.most += MOST_SHOWN;
    void this.tape?.loadOlder();
  };

  /** @param {Event & {target: HTMLInputElement}} event */
  #routine = (event) => alter({ routine: event.target.checked ? 'yes' : null });

  /** @param {import('./tape.js').Row[]} rows */
  #download(rows) {
    const lines = rows.map(({ at, name, venue, symbol, service, data }) =>
      JSON.stringify({ time: new Date(at).toISOString(), name, venue, symbol, service, data }),
    );
    download('events.ndjson', lines.join('\n'), 'application/x-ndjson');
  }
}

customElements.define('mp-live-events', LiveEvents);
