/** Elections: a lane per group over the last quarter of an hour, and every hand-over that was seen. */
import { html, nothing, svg } from '../../vendor/lit.js';
import { Part } from '../../core/part.js';
import { Pace } from '../../core/pace.js';
import { clock, duration, minute } from '../../core/time.js';
import { elections, followElections, moved, SHOWN_MS } from '../../system/elections.js';
import { system } from '../../system/live.js';
import { colourOf, letterOf } from '../../system/owners.js';
import { serviceText, t as systemText } from '../../system/text.js';
import { numeric, table } from '../../parts/table.js';
import { t } from './text.js';

/** @typedef {import('../../system/elections.js').Lane} Lane */
/** @typedef {import('../../system/elections.js').Span} Span */

const MOST = 50;

class Elections extends Part {
  begin() {
    const pace = new Pace(10, () => this.requestUpdate());
    this.whenGone(() => pace.stop());
    this.follow(moved, () => pace.mark());
    this.every(2000, () => pace.mark()); // time goes on
    followElections(this);
  }

  render() {
    const rows = system.leaders.value?.value ?? [];
    const now = Date.now();
    return html`<section class="panel">
      <h2>${t('elections')}</h2>
      ${rows.length ? html`${this.#lanes(now)} ${this.#table(rows)}` : html`<p class="dim">${t('no_leases')}</p>`} ${this.#handOvers()}
    </section>`;
  }

  /** @param {number} now */
  #lanes(now) {
    const lanes = [...elections.lanes].sort(([a], [b]) => a.localeCompare(b));
    const marks = [15, 10, 5].map((back) => now - back * 60_000);
    return html`<div class="lanes">
      ${lanes.map(
        ([key, lane]) => html`<div class="lane" data-lane=${key}>
          <span class="name one-line" title=${key}>${serviceText(lane.service)} ${lane.group}</span>
          <svg role="img" aria-label=${this.#said(lane)}>
            <title>${this.#said(lane)}</title>
            ${svg`<rect class="unwatched" x="0" y="0" width=${share(lane.seen, now)} height="100%" />`}
            ${lane.spans.map((span) => this.#span(lane, span, now))}
          </svg>
        </div>`,
      )}
      <div class="lane axis" aria-hidden="true">
        <span></span><span class="marks">${marks.map((at) => html`<i>${minute(at)}</i>`)}<i>${systemText('now')}</i></span>
      </div>
      <p class="dim">${t('unwatched')}</p>
    </div>`;
  }

  /** @param {Lane} lane @param {Span} span @param {number} now */
  #span(lane, span, now) {
    const from = Math.max(span.from, now - SHOWN_MS);
    const to = Number.isNaN(span.to) ? now : span.to;
    if (to <= from) return nothing;
    const width = ((to - from) / SHOWN_MS) * 100;
    const kind = span.holder === '?' ? 'unwatched' : span.holder ? colourOf(lane.service, span.holder) : 'unowned';
    const word = span.holder && span.holder !== '?' ? letterOf(lane.service, span.holder) : span.holder ? '' : '!';
    return svg`<rect class=${kind} x=${share(from, now)} y="0" width="${Math.max(width, 0.25).toFixed(3)}%" height="100%" />
      ${width > 2 && word ? svg`<text x=${share(from, now)} dx="5" y="15">${word}${width > 8 && span.holder ? ` · ${span.epoch}` : ''}</text>` : nothing}`;
  }

  /** @param {Lane} lane */
  #said(lane) {
    const last = lane.spans.at(-1);
    const holder = last?.holder && last.holder !== '?' ? last.holder : systemText('nobody');
    return t('lane_said', { group: `${lane.service}.${lane.group}`, holder, epoch: last?.epoch ?? 0, changes: Math.max(0, lane.spans.length - 1) });
  }

  /** @param {import('../../system/live.js').LeaderRow[]} rows */
  #table(rows) {
    return table(
      { label: t('leaders') },
      [t('group'), t('holder'), numeric(t('epoch')), t('seen_since'), t('problem')],
      rows.map((row) => {
        const isHeld = row.state === 'held';
        const span = elections.lanes.get(`${row.service}.${row.group}`)?.spans.at(-1);
        return html`<tr data-leader="${row.service}.${row.group}">
          <th scope="row" class="name">${serviceText(row.service)} ${row.group}</th>
          <td class="name">
            ${isHeld
              ? html`${swatch(row.service, row.holder)} <span class="holder">${row.holder}</span>`
              : html`<span class="bad">✕ ${systemText('nobody')}</span>`}
          </td>
          <td class="number">${row.epoch}</td>
          <td class="time">${clock(span?.from ?? NaN)}</td>
          <td class="reason">${row.problem ? html`<span class="bad wrap">✕ ${row.problem}</span>` : html`<span class="dim">–</span>`}</td>
        </tr>`;
      }),
    );
  }

  #handOvers() {
    const all = elections.handOvers().slice(0, MOST);
    if (!all.length) return html`<p class="dim">${t('no_hand_overs')}</p>`;
    return html`<h3>${t('hand_overs')}</h3>
      <ol class="moves" aria-live="polite">
        ${all.map(
          (each) => html`<li>
            <time>${clock(each.at, undefined, 1)}</time>
            <span class="wrap">${t('hand_over', { group: each.key, from: each.from, to: each.to, epoch: each.epoch })}</span>
            <span class="dim">${this.#cause(each.cause)}${Number.isFinite(each.took) ? ` · ${t('took', { time: duration(each.took) })}` : ''}</span>
          </li>`,
        )}
      </ol>`;
  }

  /** @param {string} cause */
  #cause(cause) {
    if (cause === 'released') return t('cause_released');
    if (cause === '?') return t('cause_unseen');
    return cause || t('cause_silent');
  }
}

/** Where in the lane a time is. @param {number} at @param {number} now */
function share(at, now) {
  return `${Math.min(100, Math.max(0, 100 - ((now - at) / SHOWN_MS) * 100)).toFixed(3)}%`;
}

/** The letter of an instance on its colour. @param {string} service @param {string} instance */
export function swatch(service, instance) {
  return html`<span class="swatch ${colourOf(service, instance)}" aria-hidden="true">${letterOf(service, instance)}</span>`;
}

customElements.define('mp-elections', Elections);
