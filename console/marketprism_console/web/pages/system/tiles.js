/** How it goes, in a few numbers. */
import { html, nothing } from '../../vendor/lit.js';
import { count, short } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { duration } from '../../core/time.js';
import { sparkline } from '../../parts/sparkline.js';
import { accepted, counted, ticksPerSecond } from '../../system/counts.js';
import { system } from '../../system/live.js';
import { healthSign, healthText, serviceText, worst } from '../../system/text.js';
import { t } from './text.js';

const STEP_MS = 5000;
const STEPS = 60; // five minutes

class Tiles extends Part {
  begin() {
    this.follow(system.lags);
    this.follow(system.instances);
    this.follow(system.services);
    this.follow(system.alerts);
    this.follow(counted);
  }

  render() {
    return html`<section class="tiles" aria-label=${t('overview')}>
      ${this.#rate()} ${this.#verdicts()} ${this.#health()} ${this.#lag()} ${this.#alerts()}
    </section>`;
  }

  #rate() {
    const rate = ticksPerSecond();
    const text = Number.isNaN(rate) ? '–' : rate && rate < 10 ? rate.toFixed(1) : count(rate);
    return html`<div class="tile" data-tile="rate">
      <span class="dim">${t('ticks_per_second')}</span><b>${text}</b>
      ${sparkline(accepted.rates(STEP_MS, STEPS), t('last_minutes'))}
    </div>`;
  }

  #verdicts() {
    const lags = system.lags.value?.value;
    const reasons = Object.entries(lags?.rejected ?? {}).sort((a, b) => b[1] - a[1]);
    const rejected = reasons.reduce((sum, [, n]) => sum + n, 0);
    return html`<div class="tile" data-tile="verdicts">
      <span class="dim">${t('accepted')}</span><b title=${lags ? count(lags.accepted) : ''}>${lags ? short(lags.accepted) : '–'}</b>
      <span class=${rejected ? 'warn' : 'dim'}>${lags ? t('rejected', { count: count(rejected) }) : nothing}</span>
      ${reasons.slice(0, 3).map(([reason, n]) => html`<div class="dim wrap">${reason}: ${count(n)}</div>`)}
    </div>`;
  }

  #health() {
    const rows = system.instances.value?.value ?? [];
    const missing = (system.services.value?.value ?? []).filter((row) => row.without);
    const health = worst(rows.map((row) => row.health));
    const { sign, tone } = healthSign(health);
    const wrong = rows.filter((row) => !['healthy', 'not asked'].includes(row.health)).length;
    return html`<div class="tile" data-tile="health">
      <span class="dim">${t('worst_health')}</span><b class=${tone}><span aria-hidden="true">${sign}</span> ${healthText(health)}</b>
      <span class="dim">${t('of_instances', { wrong, count: rows.length })}</span>
      ${missing.length ? html`<div class="bad">${t('services_missing', { names: missing.map((row) => serviceText(row.service)).join(', ') })}</div>` : nothing}
    </div>`;
  }

  #lag() {
    const seen = system.lags.value;
    return html`<div class="tile" data-tile="lag">
      <span class="dim">${t('lag')}</span>
      ${seen?.value.stages.map(
        ({ stage, behind, oldest_s: oldest }) => html`<div class=${behind ? 'warn' : ''}>
          ${serviceText(stage)}: ${behind ? t('behind', { count: count(behind), time: duration(oldest * 1000) }) : t('not_behind')}
        </div>`,
      ) ?? '–'}
      ${seen?.value.source_error ? html`<div class="bad wrap">${seen.value.source_error}</div>` : nothing}
      <a href="/streams">${t('to_streams')}</a>
    </div>`;
  }

  #alerts() {
    const rows = system.alerts.value?.value ?? [];
    const errors = rows.filter((row) => row.level === 'error').length;
    const tone = errors ? 'bad' : rows.length ? 'warn' : 'good';
    return html`<div class="tile" data-tile="alerts">
      <span class="dim">${t('open_alerts')}</span>
      <b class=${tone}><span aria-hidden="true">${errors ? '✕' : rows.length ? '▲' : '●'}</span> ${count(rows.length)}</b>
      <span class="dim">${t('of_errors', { count: errors })}</span>
    </div>`;
  }
}

customElements.define('mp-system-tiles', Tiles);
