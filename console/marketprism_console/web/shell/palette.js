/** Ctrl-K: instruments, pages and commands, found by a few letters. */
import { html, nothing } from '../vendor/lit.js';
import { go } from '../core/address.js';
import { shortcut } from '../core/keys.js';
import { Part } from '../core/part.js';
import { nextOf, prefer } from '../core/preferences.js';
import { may } from '../core/who.js';
import { findInstruments } from '../core/instruments.js';
import { PAGES } from '../pages/index.js';
import { pageName } from '../pages/text.js';
import { t } from './palette_text.js';

/** @typedef {{title: string, more: string, run: () => void}} Choice */

const MOST = 30;

export function openPalette() {
  const palette = document.querySelector('mp-palette');
  if (palette instanceof Palette) palette.open();
}

/** Whether the letters stand in the text in this order. @param {string} text @param {string} letters */
function isIn(text, letters) {
  let at = 0;
  for (const letter of letters) {
    at = text.indexOf(letter, at) + 1;
    if (!at) return false;
  }
  return true;
}

class Palette extends Part {
  constructor() {
    super();
    this.text = '';
    this.chosen = 0;
    /** @type {Choice[]} */
    this.choices = [];
    this.asked = 0;
  }

  begin() {
    this.whenGone(shortcut('ctrl+k', () => this.open()));
    this.whenGone(shortcut('/', () => this.open()));
    this.whenGone(shortcut('t', () => prefer({ theme: nextOf('theme') })));
  }

  get dialog() {
    return this.querySelector('dialog');
  }

  open() {
    if (this.dialog?.open) return;
    this.text = '';
    void this.#find();
    this.dialog?.showModal();
    const input = this.querySelector('input');
    if (input) input.value = '';
    input?.focus();
  }

  async #find() {
    const asked = (this.asked += 1);
    const letters = this.text.trim().toLowerCase();
    const fixed = this.#fixed().filter((each) => isIn(each.title.toLowerCase(), letters));
    this.choices = fixed.slice(0, MOST);
    this.chosen = 0;
    this.requestUpdate();
    if (!letters || !may('md:read')) return;
    const found = await findInstruments(letters, MOST).catch(() => []);
    if (asked !== this.asked) return; // something else was typed meanwhile
    const instruments = found.map((each) => ({
      title: `${each.symbol} ${each.name}`.trim(),
      more: each.venue,
      run: () => go(`/market/${each.venue}.${each.symbol}`),
    }));
    this.choices = [...instruments, ...fixed].slice(0, MOST);
    this.requestUpdate();
  }

  /** @returns {Choice[]} */
  #fixed() {
    const pages = PAGES.filter((row) => !row.scope || may(row.scope)).map((row) => ({
      title: pageName(row.name),
      more: row.keys ?? '',
      run: () => go(row.path),
    }));
    const changes = /** @type {const} */ (['language', 'theme', 'zone', 'colours']).map((name) => ({
      title: t(`change_${name}`),
      more: '',
      run: () => prefer({ [name]: nextOf(name) }),
    }));
    return [...pages, ...changes];
  }

  render() {
    return html`<dialog aria-label=${t('title')} @click=${this.#outside} @close=${() => (this.asked += 1)}>
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="choices"
        aria-label=${t('title')}
        aria-activedescendant=${this.choices.length ? `choice-${this.chosen}` : nothing}
        placeholder=${t('hint')}
        autocomplete="off"
        spellcheck="false"
        maxlength="100"
        @input=${this.#typed}
        @keydown=${this.#key}
      />
      <ul id="choices" role="listbox" aria-label=${t('title')}>
        ${this.choices.map(
          (each, at) => html`<li
            id="choice-${at}"
            role="option"
            aria-selected=${at === this.chosen}
            @click=${() => this.#run(each)}
          >
            <span class="one-line">${each.title}</span><span class="dim">${each.more}</span>
          </li>`,
        )}
      </ul>
      ${this.choices.length ? nothing : html`<p class="dim">${t('none')}</p>`}
    </dialog>`;
  }

  /** @param {InputEvent & {target: HTMLInputElement}} event */
  #typed = (event) => {
    this.text = event.target.value;
    void this.#find();
  };

  /** @param {KeyboardEvent} event */
  #key = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      const count = this.choices.length;
      if (count) this.chosen = (this.chosen + step + count) % count;
      this.requestUpdate();
      void this.updateComplete.then(() => this.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' }));
    } else if (event.key === 'Enter' && !event.isComposing && this.choices[this.chosen]) {
      event.preventDefault();
      this.#run(this.choices[this.chosen]);
    }
  };

  /** @param {Choice} choice */
  #run(choice) {
    this.dialog?.close();
    choice.run();
  }

  /** @param {MouseEvent} event */
  #outside = (event) => {
    if (event.target === this.dialog) this.dialog?.close();
  };
}

customElements.define('mp-palette', Palette);
