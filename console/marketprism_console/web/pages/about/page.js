/** What this is, and whose libraries are in it. */
import { html } from '../../vendor/lit.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { shown } from '../../parts/states.js';
import { t } from './text.js';

const FOLDER = new URL('../../vendor/', import.meta.url);

class AboutPage extends Part {
  constructor() {
    super();
    this.libraries = new Resource(async (signal) => (await fetch(new URL('versions.json', FOLDER), { signal })).json());
  }

  begin() {
    this.follow(this.libraries.known);
    void this.libraries.load();
  }

  render() {
    return html`<h1>${t('title')}</h1>
      <p>${t('what')}</p>
      <p><a href="/api/docs" target="_blank">${t('api')}</a></p>
      <h2>${t('libraries')}</h2>
      ${shown(this.libraries, (found) => this.#table(found))}
      <p><a href="https://www.tradingview.com/" target="_blank" rel="noreferrer">${t('tradingview')}</a></p>`;
  }

  /** @param {Record<string, {version: string, license: string}>} found */
  #table(found) {
    return html`<table>
      <thead><tr><th scope="col">${t('library')}</th><th scope="col">${t('version')}</th><th scope="col">${t('licence')}</th></tr></thead>
      <tbody>
        ${Object.entries(found).map(
          ([name, { version, license }]) => html`<tr>
            <th scope="row">${name}</th><td>${version}</td>
            <td><a href=${new URL(`${name}.LICENSE`, FOLDER).href} target="_blank">${license}</a></td>
          </tr>`,
        )}
      </tbody>
    </table>`;
  }
}

customElements.define('mp-about-page', AboutPage);
export default 'mp-about-page';
