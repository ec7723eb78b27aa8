/** Every command that a service takes: seen by who may see the system, given by who may operate it. */
import { html, nothing } from '../../vendor/lit.js';
import { address } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { zoneName } from '../../core/time.js';
import { may, who } from '../../core/who.js';
import { commandsOf } from '../../operate/commands.js';
import { commandTitle } from '../../operate/words.js';
import { empty, shown } from '../../parts/states.js';
import { t as common } from '../../parts/text.js';
import './form.js';
import './gateways.js';
import './history.js';
import { groupsOf } from './gateways.js';
import { t } from './text.js';

/** @typedef {import('../../operate/commands.js').Command} Command */

const EVERY_MS = 5000;

class CommandsPage extends Part {
  static properties = { rest: { attribute: false } };

  constructor() {
    super();
    this.rest = '';
    this.commands = new Resource((signal) => commandsOf(signal));
    this.instances = new Resource(async (signal) => (await ask('/system/instances', {}, { signal })).data);
    /** @type {{text: string, values: Record<string, unknown>}} */
    this.filled = { text: '', values: {} };
  }

  begin() {
    this.follow(address);
    this.follow(who);
    this.uses(this.commands, this.instances);
    this.every(EVERY_MS, () => {
      void this.commands.load();
      void this.instances.load();
    });
    void this.commands.load();
    void this.instances.load();
  }

  render() {
    return html`<h1>${t('title')}</h1>
      <p class="dim zone">${common('all_zones', { zone: zoneName() })}</p>
      ${may('sys:operate') ? nothing : html`<p class="dim">${t('look_only')}</p>`}
      <h2>${t('gateways')}</h2>
      ${shown(this.instances, (found) => html`<mp-gateways .groups=${groupsOf(found)} .commands=${this.commands.data ?? []}></mp-gateways>`)}
      ${shown(this.commands, (found) => this.#commands(found), {
        lines: 8,
        none: () => empty(t('none'), html`<p>${t('none_more')}</p><p><code>marketprism up --source sim</code></p>`),
      })}
      <mp-command-history></mp-command-history>`;
  }

  /** @param {Command[]} found */
  #commands(found) {
    const asked = address.value.params.c ?? '';
    const command = found.find((each) => `${each.service}/${each.command}` === asked);
    const groups = groupsOf(this.instances.data ?? []).map(({ group }) => group).filter(Boolean);
    return html`<div class="commands">
      <nav class="panel" aria-label=${t('all')}>
        ${[...new Set(found.map(({ service }) => service))].map(
          (service) => html`<h3 class="code">${service}</h3>
            <ul>${found.filter((each) => each.service === service).map((each) => this.#link(each, each === command))}</ul>`,
        )}
      </nav>
      <div>${command
        ? html`<mp-command-form .command=${command} .groups=${groups} .filled=${this.#values()}></mp-command-form>`
        : empty(asked ? t('not_there', { name: asked }) : t('choose'), html`<p>${t('choose_more')}</p>`)}</div>
    </div>`;
  }

  /** What the address says that the form begins with; the same object while it says the same. */
  #values() {
    const text = `${address.value.params.c} ${address.value.params.with ?? ''}`;
    if (text !== this.filled.text) this.filled = { text, values: valuesIn(address.value.params.with ?? '') };
    return this.filled.values;
  }

  /** @param {Command} each @param {boolean} isHere */
  #link({ service, command, summary }, isHere) {
    const href = `/commands?c=${encodeURIComponent(`${service}/${command}`)}`;
    return html`<li><a href=${href} title=${summary} aria-current=${isHere ? 'true' : nothing}>${commandTitle(command)}</a></li>`;
  }
}

/** @param {string} text @returns {Record<string, unknown>} */
function valuesIn(text) {
  try {
    const found = JSON.parse(text || '{}');
    return found && typeof found === 'object' && !Array.isArray(found) ? found : {};
  } catch {
    return {}; // an address that was cut short fills nothing in
  }
}

customElements.define('mp-commands-page', CommandsPage);
export default 'mp-commands-page';
