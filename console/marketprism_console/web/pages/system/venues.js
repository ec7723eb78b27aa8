/** Connections to venues: what each gateway says of its source, stream by stream. */
import { html, nothing } from '../../vendor/lit.js';
import { ApiError } from '../../core/api.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { duration } from '../../core/time.js';
import { readInstance } from '../../system/instance.js';
import { system } from '../../system/live.js';
import { healthSign, healthText } from '../../system/text.js';
import { FirstRows } from '../../parts/first_rows.js';
import { offered } from '../../parts/offered.js';
import { numeric, table } from '../../parts/table.js';
import { t } from './text.js';

/** @typedef {import('../../system/live.js').InstanceRow} InstanceRow */
/** @typedef {{row: InstanceRow, status: Record<string, any>, error: string}} Connection */

const AGAIN_MS = 5000;
const MOST_GATEWAYS = 20;
const MOST_STREAMS = 200;
const SILENT = new Set(['gone', 'no answer']);
/** @type {Record<string, string>} as the words of health, which have the signs */
const TONES = { connected: 'healthy', subscribed: 'healthy', flowing: 'healthy', stale: 'degraded', connecting: 'degraded', refused: 'unhealthy' };

class VenueConnections extends Part {
  constructor() {
    super();
    this.first = new FirstRows(this, MOST_STREAMS);
    this.readAt = NaN;
    this.asked = '';
    this.found = new Resource((signal) => this.#read(signal));
  }

  begin() {
    this.uses(this.found);
    // Another gateway, or one that connects: at once, what its streams do: every few seconds.
    this.follow(system.instances, () => this.gatewaysNow() !== this.asked && void this.#ask());
    this.every(AGAIN_MS, () => this.found.known.value.error?.code === 'NOT_THERE' || void this.#ask());
    void this.#ask();
  }

  /** What gateways there are and how they are, to be compared. */
  gatewaysNow() {
    return JSON.stringify(this.#gateways().map((row) => [row.instance, row.status, row.connection, row.health]));
  }

  /** Ask all of them; what is asked already is waited for, and asked again if it is another question by then. */
  async #ask() {
    if (this.found.known.value.loading) return;
    this.asked = this.gatewaysNow();
    await this.found.load();
    if (this.isConnected && this.gatewaysNow() !== this.asked && !this.found.known.value.error) await this.#ask();
  }

  #gateways() {
    return (system.instances.value?.value ?? []).filter((row) => row.service === 'gateway').slice(0, MOST_GATEWAYS);
  }

  /** @param {AbortSignal} signal @returns {Promise<Connection[]>} */
  async #read(signal) {
    const read = await Promise.all(
      this.#gateways().map(async (row) => {
        try {
          // Who does not answer is not asked: the table of instances says what is the matter.
          if (SILENT.has(row.health)) return { row, status: {}, error: healthText(row.health) };
          const said = await readInstance(row.service, row.instance, { signal });
          return { row, status: said.status, error: said.missing.status ?? '' };
        } catch (error) {
          if (!(error instanceof ApiError)) throw error;
          if (error.code === 'NOT_THERE') throw error; // of none of them
          return { row, status: {}, error: error.message };
        }
      }),
    );
    this.readAt = Date.now();
    return read;
  }

  render() {
    return html`<section class="panel">
      <h2>${t('venues')}</h2>
      ${offered(this.found, (all) => all.map((each) => this.#gateway(each)), {
        none: () => html`<p class="dim">${t('no_gateways')}</p><p class="dim"><code>marketprism up --source sim</code></p>`,
      })}
    </section>`;
  }

  /** @param {Connection} connection */
  #gateway({ row, status, error }) {
    const state = String(status.state ?? row.connection ?? '');
    const streams = Array.isArray(status.streams) ? status.streams : [];
    return html`<div class="gateway" data-gateway=${row.instance}>
      <h3><a href="/system?instance=${encodeURIComponent(`gateway/${row.instance}`)}" class="wrap">${row.group || row.instance}</a>
        ${state ? this.#state(state) : nothing}</h3>
      ${error ? html`<p class="dim wrap">${t('not_said', { why: error })}</p>` : nothing}
      ${status.error ? html`<p class="bad wrap">✕ ${status.error}</p>` : nothing}
      <dl class="facts">
        <dt>${t('instance')}</dt><dd>${row.instance}</dd>
        ${row.connection ? html`<dt>${t('connection')}</dt><dd>${row.connection}</dd>` : nothing}
        ${'connected_wanted' in status ? html`<dt>${t('wanted')}</dt><dd>${status.connected_wanted ? t('yes') : t('no')}</dd>` : nothing}
        ${'instruments' in status ? html`<dt>${t('subscriptions')}</dt><dd>${count(Number(status.instruments))}</dd>` : nothing}
        ${'ticks' in status ? html`<dt>${t('session_ticks')}</dt><dd>${count(Number(status.ticks))}</dd>` : nothing}
      </dl>
      ${streams.length ? this.#streams(streams) : 'streams' in status ? html`<p class="dim">${t('no_venue_streams')}</p>` : nothing}
    </div>`;
  }

  /** @param {string} state */
  #state(state) {
    const { sign, tone } = healthSign(TONES[state] ?? '');
    const key = /** @type {Parameters<typeof t>[0]} */ (`state_${state}`);
    return html`<span class="badge ${tone}">${sign} ${t(key) ?? state}</span>`;
  }

  /** @param {any[]} streams */
  #streams(streams) {
    const elapsed = Date.now() - this.readAt;
    return html`${table(
      { label: t('venue_streams'), size: 'short' },
      [t('stream'), t('status'), numeric(t('messages')), numeric(t('last_message')), numeric(t('usual')), t('reason')],
      this.first.of(streams).map(
        (each) => html`<tr>
          <th scope="row" class="name">${each.stream}</th><td>${this.#state(String(each.state ?? ''))}</td>
          <td class="number">${count(Number(each.messages))}</td>
          <td class="number">${Number.isFinite(each.silent_s) ? t('ago', { time: duration(each.silent_s * 1000 + elapsed) }) : '–'}</td>
          <td class="number">${each.limit_s ? duration(each.limit_s * 1000) : '–'}</td>
          <td class="wrap">${each.reason || '–'}</td>
        </tr>`,
      ),
    )}
    ${this.first.more(streams)}`;
  }
}

customElements.define('mp-venue-connections', VenueConnections);
