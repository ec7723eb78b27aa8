/** A report as a file, in the formats that the data service writes. */
import { html } from '../../../vendor/lit.js';
import { ask } from '../../../core/api.js';
import { download } from '../../../parts/download.js';
import { t } from './text.js';

const TYPES = { json: 'application/json', csv: 'text/csv', html: 'text/html', md: 'text/markdown' };

/** @param {string} path @param {string} name  of the file, without its ending @param {(error: unknown) => void} problem */
export function reportFiles(path, name, problem) {
  const read = async (/** @type {keyof typeof TYPES} */ format) => {
    try {
      const { data } = await ask(path, { format });
      download(`${name}.${format}`, format === 'json' ? JSON.stringify(data, null, 1) : data.text, TYPES[format]);
    } catch (error) {
      problem(error);
    }
  };
  const formats = /** @type {(keyof typeof TYPES)[]} */ (Object.keys(TYPES));
  return html`<span class="apart"><span class="dim">${t('as_file')}</span>
    ${formats.map((format) => html` <button type="button" @click=${() => read(format)}>${format.toUpperCase()}</button>`)}</span>`;
}
