/** What somebody should look at, errors first. */
import { html } from '../../vendor/lit.js';
import { Part } from '../../core/part.js';
import { system } from '../../system/live.js';
import { t as systemText } from '../../system/text.js';
import { FirstRows } from '../../parts/first_rows.js';
import { t } from './text.js';

const MOST = 50;

class Alerts extends Part {
  constructor() {
    super();
    this.first = new FirstRows(this, MOST);
  }

  begin() {
    this.follow(system.alerts);
  }

  render() {
    const rows = system.alerts.value?.value ?? [];
    return html`<section class="panel">
      <h2>${t('alerts')}</h2>
      ${rows.length
        ? html`<div class="scroll short" tabindex="0" role="region" aria-label=${t('alerts')}>
            <ul class="alert-list">
              ${this.first.of(rows).map(
                (row) => html`<li>
                  <span class="badge ${row.level === 'error' ? 'bad' : 'warn'}"
                    >${row.level === 'error' ? '✕' : '▲'} ${row.level === 'error' ? systemText('level_error') : systemText('level_warning')}</span
                  >
                  <span class="wrap">${row.text}</span>
                </li>`,
              )}
            </ul>
          </div>`
        : html`<p class="dim">${t('no_alerts')}</p>`}
      ${this.first.more(rows)}
    </section>`;
  }
}

customElements.define('mp-alerts', Alerts);
