/** Commands that were given: everybody's by the audit log, for who may read it, else those of this browser. */
import { html, nothing, repeat } from '../../vendor/lit.js';
import { go } from '../../core/address.js';
import { ApiError, ask } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { recall, remember as keep } from '../../core/remembered.js';
import { Resource } from '../../core/resource.js';
import { Signal } from '../../core/signal.js';
import { dateTime, ms } from '../../core/time.js';
import { may, who } from '../../core/who.js';
import { given } from '../../operate/commands.js';
import { commandTitle } from '../../operate/words.js';
import { empty, shown } from '../../parts/states.js';
import { table } from '../../parts/table.js';
import { t } from './text.js';

/**
 * @typedef {object} HistoryRow
 * @property {string} id
 * @property {number} ts
 * @property {string} who
 * @property {string} target
 * @property {string} outcome
 * @property {string} reason
 * @property {Record<string, unknown> | null} values
 */

const KEY = 'marketprism.commands';
const MOST_MINE = 20;
const MOST_RECORDS = 300;
const MOST_SHOWN = 100;
const EVERY_MS = 10_000;
const OUTCOMES = new Set(['asked', 'waiting', 'done', 'refused', 'failed']);

/** Counts on when a command has been given here. */
const newest = new Signal(0);

/** @returns {string[]} */
function mine() {
  const found = recall(() => sessionStorage, KEY);
  return Array.isArray(found) ? found.filter((each) => typeof each === 'string' && /^[0-9a-f]{1,64}$/.test(each)) : [];
}

/** @param {string} id  of a command that was given here */
export function remember(id) {
  keep(() => sessionStorage, KEY, [id, ...mine().filter((each) => each !== id)].slice(0, MOST_MINE));
  newest.value += 1;
}

class CommandHistory extends Part {
  constructor() {
    super();
    this.rows = new Resource((signal) => (may('audit:read') ? ofAll(signal) : ofMine()));
  }

  begin() {
    this.follow(who, () => void this.rows.load());
    this.follow(newest, () => void this.rows.load());
    this.uses(this.rows);
    this.every(EVERY_MS, () => this.rows.load());
    void this.rows.load();
  }

  render() {
    return html`<section aria-labelledby="history-title">
      <h2 id="history-title">${t('history')}</h2>
      ${may('audit:read') ? nothing : html`<p class="dim">${t('history_mine')}</p>`}
      ${shown(this.rows, (rows) => this.#table(rows), { none: () => empty(t('no_history')) })}
    </section>`;
  }

  /** @param {HistoryRow[]} rows */
  #table(rows) {
    return table(
      { label: t('history'), kind: 'events' },
      [t('time'), t('who'), t('command'), t('outcome'), t('what')],
      repeat(rows, ({ id }) => id, (row) => this.#row(row)),
    );
  }

  /** @param {HistoryRow} row */
  #row({ id, ts, who: person, target, outcome, reason, values }) {
    const [service, command] = target.split('/');
    const colour = { done: 'good', refused: 'bad', failed: 'bad' }[outcome] ?? 'dim';
    const mark = { good: '✓', bad: '✕', dim: '…' }[colour];
    const word = outcome.replace(/:.*/, '');
    return html`<tr title=${id}>
      <td class="time">${dateTime(ms(ts))}</td>
      <td>${person}</td>
      <td>${commandTitle(command ?? '')} <span class="dim code">${service}</span></td>
      <td><span class=${colour}><span aria-hidden="true">${mark}</span> ${OUTCOMES.has(word) ? t(/** @type {any} */ (word)) : outcome}</span></td>
      <td class="what">
        ${reason ? html`<p>${reason}</p>` : nothing}
        ${values && Object.keys(values).length
          ? html`<details><summary class="code wrap">${JSON.stringify(values)}</summary>
              <button type="button" @click=${() => go('/commands', { c: target, with: JSON.stringify(values) })}>${t('again')}</button>
            </details>`
          : nothing}
      </td>
    </tr>`;
  }
}

/** @param {AbortSignal} signal @returns {Promise<HistoryRow[]>} */
async function ofAll(signal) {
  const { data } = await ask('/admin/audit', { limit: MOST_RECORDS }, { signal });
  /** @type {Map<string, HistoryRow>} */
  const rows = new Map();
  for (const { ts, who: person, action, target, outcome, after } of data) {
    const id = String(after?.command_id ?? '');
    if (action !== 'command.give' || !id) continue;
    const known = rows.get(id); // newest first: what became of it comes before that it was asked for
    if (known) known.ts = ts;
    else rows.set(id, { id, ts, who: person, target, outcome, reason: String(after.reason ?? ''), values: after.arguments ?? null });
  }
  return [...rows.values()].sort((a, b) => b.ts - a.ts).slice(0, MOST_SHOWN);
}

/** @returns {Promise<HistoryRow[]>} */
async function ofMine() {
  const found = await Promise.all(mine().map(async (id) => {
    try {
      const { service, command, who: person, ts_asked: ts, status, reason } = await given(id);
      return { id, ts, who: person, target: `${service}/${command}`, outcome: status, reason, values: null };
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null; // older than a day
      throw error;
    }
  }));
  return found.filter((each) => each !== null);
}

customElements.define('mp-command-history', CommandHistory);
