/** What an import found in a file, and, before it is stored, what it takes each column for. */
import { html, nothing } from '../../../vendor/lit.js';
import { hrefOf } from '../../../core/address.js';
import { count } from '../../../core/numbers.js';
import { Part } from '../../../core/part.js';
import { table } from '../../../parts/table.js';
import { valueShown } from '../../../parts/value.js';
import { isOver, seriesName, startAfter, whyNot, workButton } from './shown.js';
import { t } from './text.js';

class DataImported extends Part {
  static properties = { job: { attribute: false } };

  constructor() {
    super();
    /** @type {import('./shown.js').Job | null} */
    this.job = null;
  }

  render() {
    const { job } = this;
    if (!job || !isOver(job)) return nothing;
    return html`<section aria-label=${t('file')}>
      ${job.series.map((each) => this.#series(each))}
      ${job.request.dry_run ? this.#offer(job) : nothing}
    </section>`;
  }

  /** @param {import('./shown.js').Task} task */
  #series(task) {
    const { columns, guessed, ...facts } = task.result;
    return html`<h3 class="wrap">${seriesName(task)}</h3>
      ${columns
        ? html`${table(
            { label: `${t('mapping')} ${seriesName(task)}`, caption: t(guessed ? 'mapping_guessed' : 'mapping_known'), kind: 'fit' },
            [t('column'), t('field')],
            Object.entries(columns).map(([column, field]) => html`<tr><td class="code">${column}</td>
              <td>${field ? html`<code>${field}</code>` : html`<span class="dim">${t('not_taken')}</span>`}</td></tr>`),
          )}`
        : nothing}
      ${valueShown(facts)}`;
  }

  /** @param {import('./shown.js').Job} job */
  #offer({ stage, request, rows, series }) {
    const { mapping: given = {}, ...asked } = request;
    const mapping = { ...meant(series), ...given };
    for (const each of ['action', 'dry_run']) delete asked[each];
    const lines = Object.entries(mapping).map(([field, column]) => `${field}=${column}`).join('\n');
    const why = stage === 'done' ? '' : t('not_read');
    const question = { title: t('ask_import', { path: request.path }), button: t('import_now'), body: html`<p>${t('import_what')}</p>` };
    return html`<div class="panel"><p><strong>${t('dry_run_over', { rows: count(rows) })}</strong></p>
      <div class="tools">
        ${workButton('/data/imports', t('import_now'), () => startAfter('imports', { ...asked, mapping, dry_run: false }, question), { kind: 'main', why })}
        <a class="button" href=${hrefOf('/data/import', {
          ...asked, replace: asked.replace ? 'true' : '', simulated: asked.simulated ? 'true' : '', mapping: lines,
        })}>${t('change_form')}</a>
      </div>${whyNot('/data/imports')}</div>`;
  }
}

/** Who confirms columns that were guessed gives them as they were shown: the service takes no guess.
 * @param {readonly import('./shown.js').Task[]} tasks
 * @returns {Record<string, string>} */
const meant = (tasks) =>
  Object.fromEntries(
    tasks
      .filter(({ result }) => result.guessed)
      .flatMap(({ result }) => Object.entries(result.columns ?? {}).flatMap(([column, field]) => (field ? [[field, column]] : []))),
  );

customElements.define('mp-data-imported', DataImported);
