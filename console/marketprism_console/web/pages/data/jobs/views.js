/** Everything that the data service does, by the address behind `/data/`. */
import { html } from '../../../vendor/lit.js';
import { Part } from '../../../core/part.js';
import './detail.js';
import './form.js';
import './list.js';
import { t } from './text.js';

class DataWork extends Part {
  static properties = { view: { attribute: false }, rest: { attribute: false } };

  constructor() {
    super();
    this.view = 'jobs';
    this.rest = '';
  }

  render() {
    if (this.view !== 'jobs') return html`<mp-data-form .action=${this.view}></mp-data-form>`;
    if (!this.rest) return html`<mp-data-jobs></mp-data-jobs>`;
    return html`<p><a href="/data/jobs">← ${t('all_jobs')}</a></p><mp-data-job .name=${this.rest}></mp-data-job>`;
  }
}

customElements.define('mp-data-work', DataWork);
export default 'mp-data-work';
