/** Buckets: keys and values that services keep in NATS. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { bytes, count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, duration, ms } from '../../core/time.js';
import { readBucket, readBuckets, textOf } from '../../system/streams.js';
import { copyButton } from '../../parts/copy.js';
import { offered } from '../../parts/offered.js';
import { empty } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import { t as partsText } from '../../parts/text.js';
import { valueShown } from '../../parts/value.js';
import { t } from './text.js';

const MOST = 200;

class Buckets extends Part {
  constructor() {
    super();
    this.name = '';
    this.all = new Resource((signal) => readBuckets({ signal }));
    this.found = new Resource((signal) => readBucket(this.name, { keys: address.value.params.keys, limit: MOST }, { signal }));
  }

  begin() {
    this.uses(this.all, this.found);
    this.follow(address, () => this.#open());
    void this.all.load();
    this.#open();
  }

  #open() {
    const { bucket = '' } = address.value.params;
    if (bucket !== this.name) {
      this.name = bucket;
      if (bucket) void this.found.load({ forget: true });
    }
    this.requestUpdate();
  }

  render() {
    return html`<section class="panel">
      <h2>${t('buckets')}</h2>
      ${offered(this.all, (rows) => this.#table(rows), { none: () => empty(t('no_buckets')) })}
      ${this.name ? this.#bucket() : nothing}
    </section>`;
  }

  /** @param {import('../../system/streams.js').BucketRow[]} rows */
  #table(rows) {
    return table(
      { label: t('buckets') },
      [t('bucket'), numeric(t('keys')), numeric(t('bytes')), numeric(t('kept_for'))],
      rows.map(
        (row) => html`<tr aria-selected=${row.bucket === this.name ? 'true' : nothing}>
          <th scope="row"><a href="/streams?bucket=${encodeURIComponent(row.bucket)}" data-name=${row.bucket} @click=${this.#choose}>${row.bucket}</a></th>
          <td class="number">${count(row.entries)}</td><td class="number">${bytes(row.bytes)}</td>
          <td class="number">${row.ttl_s ? duration(row.ttl_s * 1000) : '–'}</td>
        </tr>`,
      ),
    );
  }

  #bucket() {
    return html`<form class="tools" @submit=${this.#ask}>
        <h3 class="wrap">${this.name}</h3>
        <label>${t('key')} <input name="keys" maxlength="200" .value=${address.value.params.keys ?? ''} placeholder=${t('key_hint')} /></label>
        <button type="submit">${t('again')}</button>
        <button type="button" class="apart" @click=${() => alter({ bucket: null, keys: null })}>${partsText('close')}</button>
      </form>
      ${offered(this.found, (found) => this.#entries(found), {
        empty: ({ entries }) => (entries.length ? undefined : empty(t('no_keys'))),
      })}`;
  }

  /** @param {import('../../system/streams.js').BucketPage} found */
  #entries({ entries, count: fitting, more }) {
    return html`${table(
      { label: this.name, caption: t('keys_of', { count: count(entries.length), all: count(fitting) }), size: 'tall' },
      [t('key'), numeric(t('revision')), t('time'), numeric(t('size')), t('value')],
      entries.map(
        (row) => html`<tr>
          <th scope="row" class="name">${row.key}</th><td class="number">${row.revision}</td>
          <td class="time">${dateTime(ms(row.ts), undefined, 3)}</td><td class="number">${bytes(row.bytes)}</td>
          <td class="wrap">
            ${row.expected ? html`<p class="warn">▲ ${t('not_decoded', { expected: row.expected })}</p>` : nothing} ${valueShown(row.data ?? row.hex)}
            ${copyButton(() => textOf(row), row.key)}
          </td>
        </tr>`,
      ),
    )}
      ${more ? html`<p class="dim">${partsText('first_rows', { count: entries.length })}</p>` : nothing}`;
  }

  /** @param {Event & {currentTarget: HTMLElement}} event */
  #choose = (event) => {
    event.preventDefault();
    alter({ bucket: event.currentTarget.dataset.name, keys: null });
  };

  /** @param {SubmitEvent} event */
  #ask = (event) => {
    event.preventDefault();
    const data = new FormData(/** @type {HTMLFormElement} */ (event.currentTarget));
    alter({ keys: String(data.get('keys')).trim() || null });
    void this.found.load();
  };
}

customElements.define('mp-buckets', Buckets);
