/** A change: filled in, tried at every instance without being stored, looked at, made, and what became of it. */
import { html, nothing } from '../../vendor/lit.js';
import { ApiError, ask, change } from '../../core/api.js';
import { preferences } from '../../core/preferences.js';
import { act } from '../../parts/action.js';
import { t } from './text.js';
import { changesTable, forWhom, keyOf, textOf } from './values.js';

/**
 * @typedef {import('./values.js').Setting} Setting
 * @typedef {import('./values.js').Report} Report
 * @typedef {{field: string, text: string}} Problem
 * @typedef {{version: number, standings: import('./values.js').Standing[], then: () => void}} At  where a change begins
 */

/**
 * @param {At} at
 * @param {object} what
 * @param {string} what.title
 * @param {string} what.path
 * @param {(problem: (field: string) => unknown, wrong: string) => unknown} [what.fields]
 * @param {(form: FormData) => Record<string, unknown>} what.read  the order, without what every order has
 * @param {(report: Report, form: HTMLFormElement) => unknown} [what.more]  beside what became of it
 * @param {boolean} [what.isGrave]
 */
function propose(at, { title, path, fields, read, more, isGrave }) {
  let { version } = at;
  let isSilent = false;
  let previewed = '';
  /** @type {Report | null} */
  let preview = null;
  /** @type {Problem | null} */
  let problem = null;
  /** @type {HTMLFormElement} */
  let filled;
  const shownAt = (/** @type {string} */ field) =>
    problem?.field === field
      ? html`<div class="bad wrap" id="config-problem" role="alert">${problem.text.split('\n').map((line) => html`<div>✕ ${line}</div>`)}</div>`
      : nothing;
  /** @param {HTMLFormElement} form @param {Problem} found */
  const refuse = (form, found) => {
    problem = found;
    const field = form.elements.namedItem(found.field);
    if (field instanceof HTMLElement) field.focus();
    return null;
  };
  act({
    title,
    isGrave,
    get button() {
      return t(preview ? 'apply' : 'preview');
    },
    body: () => html`<div @input=${forget}>
        ${fields?.(shownAt, problem?.field ?? '') ?? nothing}
        <div class="field">
          <label for="config-reason">${t('reason')}</label>
          <input id="config-reason" name="reason" maxlength="500" autocomplete="off" required
            aria-invalid=${problem?.field === 'reason'} aria-describedby="config-problem" />
          ${shownAt('reason')}
        </div>
        ${isSilent ? html`<p><label><input type="checkbox" name="force" />${t('force')}</label></p>` : nothing}
        ${shownAt('')}
      </div>
      ${preview ? previewOf(preview) : nothing}`,
    act: async (form, report) => {
      const data = new FormData(form);
      problem = null;
      filled = form;
      try {
        const order = { ...read(data), reason: data.get('reason'), force: data.has('force'), expected: version };
        const text = JSON.stringify(order);
        const isSeen = preview !== null && text === previewed;
        const answer = await change('POST', `/monitor/config/${path}`, { ...order, dry_run: !isSeen });
        /** @type {Report} */
        const found = answer.data;
        if (isSeen && found.rolled_back) {
          const who = Object.entries(found.unconfirmed).map(([key, why]) => `${key}: ${why}`);
          report([{ what: title, is: 'refused', text: t('taken_back', { version: found.rolled_back, who: who.join('; ') }), requestId: answer.requestId }]);
          return null;
        }
        if (isSeen) return answer;
        if (!Object.keys(found.changes).length) return refuse(form, { field: fields ? 'value' : '', text: t('same') });
        preview = found;
        previewed = text;
        return null;
      } catch (error) {
        preview = null;
        if (error instanceof SyntaxError) return refuse(form, { field: 'value', text: t('no_json', { why: error.message }) });
        if (!(error instanceof ApiError)) throw error;
        if (error.code === 'CONFLICT') {
          version = (await ask('/monitor/config')).data.version;
          at.then();
          return refuse(form, { field: '', text: t('conflict', { version }) });
        }
        if (error.code === 'UNAVAILABLE') isSilent = true;
        if (!['INVALID_PARAMETER', 'NOT_FOUND'].includes(error.code)) throw error;
        return refuse(form, { field: fieldOf(error, Boolean(fields)), text: error.message });
      }
    },
    result: ({ data }) => html`<p>${t('result', { version: data.version })}</p>
      ${Object.entries(data.unconfirmed).map(([key, why]) => html`<p class="warn wrap">▲ ${t('unconfirmed', { key, why: String(why) })}</p>`)}
      ${effects(data)} ${more?.(data, filled) ?? nothing}`,
    then: at.then,
  });

  /** What is looked at is what was filled in. */
  function forget() {
    if (!preview) return;
    preview = null;
    /** @type {import('../../core/part.js').Part | null} */ (document.querySelector('mp-action'))?.requestUpdate();
  }
}

/** At which field a refusal is shown. @param {ApiError} error @param {boolean} hasFields */
function fieldOf({ message, details }, hasFields) {
  const name = details?.field || /^\w+/.exec(message)?.[0];
  if (name === 'reason' || !hasFields) return name === 'reason' ? 'reason' : '';
  return name === 'service' || name === 'instance' ? 'for' : 'value';
}

/** @param {Report} report */
function previewOf(report) {
  return html`<div role="status"><p><strong>${t('preview_is')}</strong></p>${changesTable(report.changes, t('diff'))} ${effects(report)}</div>`;
}

/** What each instance does, or would do. @param {Report} report */
function effects(report) {
  const kinds = /** @type {const} */ (['applied', 'pending', 'pinned', 'silent']).filter((kind) => Object.keys(report[kind]).length);
  if (!kinds.length) return html`<p class="dim">${t('nobody')}</p>`;
  return html`<dl class="facts">
    ${kinds.map(
      (kind) => html`<dt>${t(`is_${kind}`)}</dt>
        <dd>${Object.entries(report[kind]).map(([key, names]) => html`<div>${key}: <code>${textOf(names)}</code></div>`)}</dd>`,
    )}
  </dl>`;
}

/**
 * Set a setting: for all, a service, or an instance.
 * @param {At} at
 * @param {Setting} setting
 * @param {{target?: string, value: unknown, isWider?: boolean}} from  what is filled in; `isWider` takes what fewer are given out
 */
export function set(at, setting, { target = 'all', value, isWider = false }) {
  const { name, options, services, applies, central, secret } = setting;
  const instances = applies === 'at once' ? at.standings.filter(({ service }) => services.includes(service)).map(keyOf) : [];
  const targets = [...new Set(['all', ...services, ...instances, target])];
  const text = textOf(value);
  const isTable = text.startsWith('{') || (setting.default instanceof Object && !Array.isArray(setting.default));
  const hasNarrower = isWider || Object.keys(central).some((each) => each !== 'all');
  const described = 'config-meaning config-problem';
  propose(at, {
    title: t('set_of', { name }),
    path: 'changes',
    fields: (problem, wrong) => html`<p id="config-meaning">${setting.meaning[preferences.value.language]}</p>
      <div class="field">
        <label for="config-for">${t('for')}</label>
        <select id="config-for" name="for" aria-invalid=${wrong === 'for'} aria-describedby="config-try">
          ${targets.map((each) => html`<option value=${each} ?selected=${each === target}>${forWhom(each)}</option>`)}
        </select>
        ${instances.length ? html`<small id="config-try" class="dim">${t('try_one')}</small>` : nothing} ${problem('for')}
      </div>
      <div class="field">
        <label for="config-value">${t('value')}</label>
        ${options.length
          ? html`<select id="config-value" name="value" aria-invalid=${wrong === 'value'} aria-describedby=${described}>
              ${options.map((each) => html`<option ?selected=${each === text}>${each}</option>`)}
            </select>`
          : isTable
            ? html`<textarea id="config-value" name="value" rows="3" spellcheck="false" .value=${text}
                aria-invalid=${wrong === 'value'} aria-describedby=${described}></textarea>`
            : html`<input id="config-value" name="value" autocomplete="off" spellcheck="false" .value=${text}
                aria-invalid=${wrong === 'value'} aria-describedby=${described} />`}
        ${secret ? html`<small class="dim">${t('secret')}</small>` : nothing} ${problem('value')}
      </div>
      ${hasNarrower
        ? html`<p><label><input type="checkbox" name="wider" ?checked=${isWider} />${t('wider')}</label></p>`
        : nothing}`,
    read: (form) => ({
      changes: { [name]: valueOf(String(form.get('value'))) },
      clear_narrower: form.has('wider'),
      ...targetOf(String(form.get('for'))),
    }),
    more: ({ unconfirmed }, form) => {
      const data = new FormData(form);
      const tried = String(data.get('for'));
      if (!instances.includes(tried) || Object.keys(unconfirmed).length) return nothing;
      return html`<p>${t('tried', { key: tried })}</p>${widen(at, setting, tried, valueOf(String(data.get('value'))))}`;
    },
  });
}

/** What was tried on one goes to all of its service. @param {At} at @param {Setting} setting @param {string} key @param {unknown} value */
export function widen(at, setting, key, value) {
  const target = key.includes('.') ? key.split('.')[0] : 'all';
  const label = t('widen', { whom: forWhom(target) });
  const go = async () => set({ ...at, version: (await ask('/monitor/config')).data.version }, setting, { target, value, isWider: true });
  return html`<button type="button" aria-label="${label}: ${setting.name}, ${key}" @click=${go}>${label}</button>`;
}

/** A list or a table as JSON has it, else the text. @param {string} text @throws {SyntaxError} */
function valueOf(text) {
  return /^\s*[{[]/.test(text) ? JSON.parse(text) : text;
}

/** @param {string} target */
function targetOf(target) {
  const [service, ...instance] = target === 'all' ? [''] : target.split('.');
  return { service, instance: instance.join('.') };
}

/** Take a central value out. @param {At} at @param {Setting} setting @param {string} target */
export function takeOut(at, { name }, target) {
  const title = t('unset_of', { name, whom: forWhom(target) });
  propose(at, { title, path: 'changes', read: () => ({ changes: { [name]: null }, ...targetOf(target) }) });
}

/** Make everything what it was. @param {At} at @param {number} version */
export function rollBack(at, version) {
  propose(at, { title: t('back_to', { version }), path: 'rollback', isGrave: true, read: () => ({ version }) });
}
