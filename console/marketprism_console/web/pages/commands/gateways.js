/** The gateways that run, and what is asked of them most. */
import { html, nothing } from '../../vendor/lit.js';
import { go } from '../../core/address.js';
import { Part } from '../../core/part.js';
import { may } from '../../core/who.js';
import { commandTitle } from '../../operate/words.js';
import { empty } from '../../parts/states.js';
import { confirm } from './given.js';
import { t } from './text.js';

/** @typedef {import('../../operate/commands.js').Command} Command */
/** @typedef {{group: string, connections: string[], instances: string[]}} GatewayGroup */

const AT_ONCE = ['ConnectToMarketSource', 'DisconnectFromMarketSource', 'InitializeGateway'];
const BY_FORM = ['SubscribeInstrument', 'UpdateSubscriptionList', 'SubscribeAllInstruments'];
const STATES = new Set(['waiting', 'created', 'initialized', 'connected', 'loaded', 'subscribed', 'disconnected', 'finished']);

/** @param {any[]} instances  rows of `GET /system/instances` @returns {GatewayGroup[]} */
export function groupsOf(instances) {
  /** @type {Map<string, GatewayGroup>} */
  const groups = new Map();
  for (const { service, group, instance, connection } of instances) {
    if (service !== 'gateway') continue;
    /** @type {GatewayGroup} */
    const found = groups.get(group) ?? { group, connections: [], instances: [] };
    found.instances.push(instance);
    if (connection) found.connections.push(connection);
    groups.set(group, found);
  }
  return [...groups.values()].sort((a, b) => (a.group < b.group ? -1 : 1));
}

class Gateways extends Part {
  static properties = { commands: { attribute: false }, groups: { attribute: false } };

  constructor() {
    super();
    /** @type {Command[]} */
    this.commands = [];
    /** @type {GatewayGroup[]} */
    this.groups = [];
  }

  render() {
    if (!this.groups.length) return empty(t('no_gateway'), html`<p>${t('no_gateway_more')}</p><p><code>marketprism up --source sim</code></p>`);
    return html`<div class="tiles gateways">${this.groups.map((each) => this.#tile(each))}</div>`;
  }

  /** @param {GatewayGroup} each */
  #tile({ group, connections, instances }) {
    const states = [...new Set(connections)];
    return html`<div class="tile" role="group" aria-label="${t('group')} ${group || '–'}">
      <b class="wrap">${group || '–'}</b>
      <p class="dim">${t('connection')}: ${states.map((each) => (STATES.has(each) ? t(/** @type {any} */ (each)) : each)).join(', ') || '–'}
        · <span class="wrap">${instances.join(', ')}</span></p>
      ${may('sys:operate')
        ? html`<div class="tools">
            ${AT_ONCE.map((name) => this.#button(name, group, false))} ${BY_FORM.map((name) => this.#button(name, group, true))}
          </div>`
        : nothing}
    </div>`;
  }

  /** @param {string} name @param {string} group @param {boolean} byForm */
  #button(name, group, byForm) {
    const command = this.commands.find((each) => each.service === 'gateway' && each.command === name);
    if (!command) return nothing;
    const values = group ? { gateway: group } : {};
    const run = () => {
      if (byForm) return go('/commands', { c: `gateway/${name}`, with: JSON.stringify(values) });
      const asksReason = Boolean(command.arguments?.$defs?.[name]?.properties?.reason);
      return confirm(command, values, { asksReason });
    };
    return html`<button type="button" @click=${run}>${commandTitle(name)}${byForm ? '…' : ''}</button>`;
  }
}

customElements.define('mp-gateways', Gateways);
