/** Messages of a stream, read from a sequence or a time on; reading takes nothing from anybody. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { bytes } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, ms } from '../../core/time.js';
import { readMessages, textOf } from '../../system/streams.js';
import { copyButton } from '../../parts/copy.js';
import { offered } from '../../parts/offered.js';
import { empty } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import { t } from './text.js';

/** @typedef {import('../../system/streams.js').StoredMessage} StoredMessage */

const PAGE = 50;
const LONGEST = 20_000;

class Messages extends Part {
  static properties = { stream: { attribute: false } };

  constructor() {
    super();
    this.stream = '';
    this.asked = '';
    this.found = new Resource((signal) => this.#read(signal));
  }

  begin() {
    this.uses(this.found);
    this.follow(address, () => this.#look());
  }

  willUpdate() {
    this.#look();
  }

  #look() {
    const { from = '', subject = '' } = address.value.params;
    const asked = JSON.stringify([this.stream, from, subject]);
    if (!this.stream || asked === this.asked) return;
    this.asked = asked;
    void this.found.load({ forget: true });
  }

  /** @param {AbortSignal} signal */
  #read(signal) {
    const { from = '', subject = '' } = address.value.params;
    /** @type {Parameters<typeof readMessages>[1]} */
    const asked = { limit: PAGE, subject };
    if (/^\d+$/.test(from)) asked.after_seq = Math.max(0, Number(from) - 1);
    else if (from) asked.from = from;
    return readMessages(this.stream, asked, { signal });
  }

  render() {
    const { from = '', subject = '' } = address.value.params;
    return html`<form class="tools" @submit=${this.#ask}>
        <label>${t('from')} <input name="from" maxlength="40" .value=${from} placeholder=${t('from_hint')} /></label>
        <label>${t('subject')} <input name="subject" maxlength="400" .value=${subject} placeholder="market.tick.>" /></label>
        <button type="submit">${t('show')}</button>
        <button type="button" @click=${this.#newest}>${t('newest_messages')}</button>
      </form>
      ${offered(this.found, (found) => this.#list(found), {
        empty: ({ messages }) => (messages.length ? undefined : empty(t('no_messages'), html`<p>${t('no_messages_more')}</p>`)),
      })}`;
  }

  /** @param {import('../../system/streams.js').MessagePage} found */
  #list({ messages: rows, more }) {
    const last = rows.at(-1)?.seq ?? 0;
    const isNewest = !address.value.params.from;
    const [first] = rows;
    return html`${table(
      { label: t('messages'), size: 'tall' },
      [numeric(t('sequence')), t('time'), t('subject'), numeric(t('size')), t('content')],
      rows.map((row) => this.#row(row)),
    )}
      <div class="tools">
        ${first.seq > 1
          ? html`<button type="button" @click=${() => alter({ from: Math.max(1, first.seq - PAGE) })}>${t('earlier_messages')}</button>`
          : nothing}
        ${more && !isNewest ? html`<button type="button" @click=${() => alter({ from: last + 1 })}>${t('next_messages')}</button>` : nothing}
      </div>`;
  }

  /** @param {StoredMessage} row */
  #row(row) {
    const text = textOf(row);
    return html`<tr data-seq=${row.seq}>
      <th scope="row" class="number">${row.seq}</th>
      <td class="time">${dateTime(ms(row.ts), undefined, 3)}</td>
      <td class="name">${row.subject}</td>
      <td class="number">${bytes(row.bytes)}</td>
      <td class="content">
        ${row.expected ? html`<p class="warn wrap">▲ ${t('not_decoded', { expected: row.expected })}</p>` : nothing}
        <details>
          <summary class="one-line"><b>${row.kind}</b> <code>${text.slice(0, 200).replace(/\s+/g, ' ')}</code></summary>
          ${copyButton(() => text, t('message', { seq: row.seq }))}
          <pre class="json">${text.slice(0, LONGEST)}</pre>
        </details>
      </td>
    </tr>`;
  }

  /** @param {SubmitEvent} event */
  #ask = (event) => {
    event.preventDefault();
    const data = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    alter({ from: String(data.get('from')).trim() || null, subject: String(data.get('subject')).trim() || null });
  };

  #newest = () => {
    alter({ from: null });
    void this.found.load();
  };
}

customElements.define('mp-messages', Messages);
