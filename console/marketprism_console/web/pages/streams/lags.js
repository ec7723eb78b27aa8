/** How far each stage is behind its input, whether that gets less, and which partitions wait. */
import { html, nothing } from '../../vendor/lit.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { duration } from '../../core/time.js';
import { sparkline } from '../../parts/sparkline.js';
import { numeric, table } from '../../parts/table.js';
import { behind, counted, trendOf } from '../../system/counts.js';
import { system } from '../../system/live.js';
import { serviceText, t as systemText } from '../../system/text.js';
import { t as partsText } from '../../parts/text.js';
import { t } from './text.js';

const STEP_MS = 5000;
const STEPS = 60;
const MOST = 64;

class Lags extends Part {
  begin() {
    this.follow(system.lags);
    this.follow(counted);
  }

  render() {
    const lags = system.lags.value?.value;
    if (!lags) return nothing;
    const waiting = Object.entries(lags.partitions).sort((a, b) => b[1] - a[1]);
    return html`<section class="panel">
      <h2>${t('lags')}</h2>
      ${lags.source_error ? html`<p class="bad wrap">✕ ${lags.source_error}</p>` : nothing}
      ${table(
        { label: t('lags') },
        [t('stage'), numeric(t('behind')), numeric(t('waits')), t('trend'), t('empty_in')],
        lags.stages.map(
          ({ stage, behind: messages, oldest_s: oldest }) => html`<tr data-stage=${stage}>
            <th scope="row">${serviceText(stage)}</th>
            <td class="number ${messages ? 'warn' : ''}">${count(messages)}</td>
            <td class="number">${messages ? duration(oldest * 1000) : '–'}</td>
            <td class="trend">${sparkline(behind.get(stage)?.values(STEP_MS, STEPS) ?? [], t('trend_of', { stage: serviceText(stage) }))}</td>
            <td>${this.#emptyIn(stage, messages)}</td>
          </tr>`,
        ),
      )}
      ${waiting.length
        ? html`<h3>${t('partitions_behind')}</h3>
            <ul class="legend">
              ${waiting.slice(0, MOST).map(([name, messages]) => html`<li><code>${name}</code> <span class="warn">${count(messages)}</span></li>`)}
            </ul>
            ${waiting.length > MOST ? html`<p class="dim">${partsText('first_rows', { count: MOST })}</p>` : nothing}`
        : html`<p class="dim">${t('none_behind')}</p>`}
    </section>`;
  }

  /** @param {string} stage @param {number} messages */
  #emptyIn(stage, messages) {
    const trend = trendOf(stage, messages);
    if (trend.is === 'shrinks') return html`≈ ${duration(trend.emptyIn)}`;
    if (trend.is === 'empty') return html`<span class="good">● ${t('empty')}</span>`;
    if (trend.is === 'unknown') return html`<span class="dim">${systemText('not_known')}</span>`;
    return trend.is === 'grows' ? html`<span class="bad">▲ ${t('grows')}</span>` : html`<span class="dim">${t('steady')}</span>`;
  }
}

customElements.define('mp-lags', Lags);
