/** One dead letter: what it held, why it is one, and what would happen. */
import { html, nothing } from '../../vendor/lit.js';
import { alter } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { bytes } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, ms } from '../../core/time.js';
import { may } from '../../core/who.js';
import { commandTitle } from '../../operate/words.js';
import { act } from '../../parts/action.js';
import { empty, shown } from '../../parts/states.js';
import { discarding, redriving } from './acting.js';
import { t } from './text.js';
import { titleOf, willOf } from './words.js';

class DeadLetter extends Part {
  static properties = { seq: { attribute: false }, known: { attribute: false } };

  constructor() {
    super();
    this.seq = 0;
    /** @type {import('../../operate/commands.js').Command[] | undefined} */
    this.known = undefined;
    this.letter = new Resource(async (signal) => (await ask(`/dead-letters/${this.seq}`, {}, { signal })).data);
  }

  begin() {
    this.uses(this.letter);
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('seq') && this.seq) void this.letter.load({ forget: true });
  }

  render() {
    const isGone = this.letter.known.value.error?.status === 404;
    return html`<section class="panel" aria-labelledby="letter-title">
      <div class="tools">
        <h2 id="letter-title">${t('letter', { seq: this.seq })}</h2>
        <button type="button" class="apart" aria-label=${t('close')} @click=${() => alter({ seq: null })}>✕</button>
      </div>
      ${isGone ? empty(t('gone')) : shown(this.letter, (found) => this.#detail(found))}
    </section>`;
  }

  /** @param {any} found */
  #detail(found) {
    const will = willOf(found, this.known);
    const chosen = [{ key: String(found.seq), title: titleOf(found) }];
    const done = () => {
      this.dispatchEvent(new CustomEvent('gone'));
      void this.letter.load();
    };
    return html`<p class="failed wrap">${found.reason || '–'}</p>
      <dl class="facts">
        <dt>${t('service')}</dt><dd>${found.service}</dd>
        <dt>${t('command')}</dt><dd>${found.command ? html`${commandTitle(found.command)} <span class="code dim">${found.command}</span>` : '–'}</dd>
        <dt>${t('issuer')}</dt><dd>${found.issuer || '–'}</dd>
        <dt>${t('sent')}</dt><dd>${dateTime(ms(found.ts_sent))}</dd>
        <dt>${t('died')}</dt><dd>${dateTime(ms(found.ts_dead))}</dd>
        <dt>${t('attempts')}</dt><dd>${found.attempts}</dd>
        <dt>${t('size')}</dt><dd>${bytes(found.bytes)}</dd>
        <dt>${t('subject')}</dt><dd class="code">${found.subject}</dd>
        <dt>${t('command_key')}</dt><dd class="code">${found.key || '–'}</dd>
      </dl>
      <h3>${t('arguments')}</h3>
      <pre class="code" tabindex="0" role="region" aria-label=${t('arguments')}>${JSON.stringify(found.arguments, null, 2)}</pre>
      ${found.payload
        ? html`<h3>${t('payload')}</h3><pre class="code" tabindex="0" role="region" aria-label=${t('payload')}>${found.payload}</pre>`
        : nothing}
      <h3>${t('will')}</h3>
      <p>${will}</p>
      ${may('sys:operate')
        ? html`<div class="buttons">
            <button type="button" @click=${() => act(discarding(chosen, done))}>${t('discard')}</button>
            ${found.command ? html`<button type="button" class="main" @click=${() => act(redriving(chosen, will, done))}>${t('redrive')}</button>` : nothing}
          </div>`
        : nothing}`;
  }
}

customElements.define('mp-dead-letter', DeadLetter);
