/** A command on its way: what will happen is said and confirmed, it is given once, and followed to its end. */
import { html, nothing } from '../../vendor/lit.js';
import { ApiError } from '../../core/api.js';
import { give, letterOf, newKey, outcomeOf } from '../../operate/commands.js';
import { argumentTitle, commandTitle, whatItDoes } from '../../operate/words.js';
import { act, reasonIn, refused } from '../../parts/action.js';
import { remember } from './history.js';
import { t } from './text.js';

/** @typedef {import('../../operate/commands.js').Command} Command */

const FOLLOW_MS = 40_000;
const TRIES = 3;
const SOON_MS = 1500;

/**
 * Ask for it in a dialog, and give it.
 * @param {Command} command
 * @param {Record<string, unknown>} values
 * @param {{asksReason?: boolean, wrong?: (field: string, message: string) => void, closed?: () => void}} [options]
 *   `asksReason`: its argument `reason` is what is typed there
 */
export function confirm(command, values, options = {}) {
  const title = commandTitle(command.command);
  const what = t('became', { service: command.service, title });
  const key = newKey();
  act({
    title: t('ask_give', { title }),
    body: said(command, values),
    button: t('do_give'),
    asksReason: options.asksReason ?? false,
    ...(options.closed ? { closed: options.closed } : {}),
    act: async (form, report) => {
      const reason = reasonIn(form);
      const all = options.asksReason && reason ? { ...values, reason } : values;
      report([{ what, is: 'waiting' }]);
      try {
        const found = await givenOnce(command, all, key);
        remember(found.id);
        const end = found.status === 'waiting' ? await outcomeOf(found.id, FOLLOW_MS) : found;
        if (!end) report([{ what, is: 'waiting', text: t('still_waiting') }]);
        else report([{ what, is: end.status === 'done' ? 'done' : 'refused', text: end.reason }]);
      } catch (error) {
        const field = error instanceof ApiError ? String(error.details?.field ?? '') : '';
        if (error instanceof ApiError && field) options.wrong?.(field, error.message);
        const id = error instanceof ApiError ? /\(command ([0-9a-f]+),/.exec(error.message)?.[1] : undefined;
        if (id) remember(id);
        const letter = letterOf(error);
        const failure = refused(what, error);
        const more = letter ? html` <a href="/dead-letters?seq=${letter}">${t('letter', { seq: letter })}</a>` : nothing;
        report([{ ...failure, text: html`${failure.text}${field && options.wrong ? html` ${t('see_field')}` : nothing}${more}` }]);
      }
    },
  });
}

/**
 * A way that is cut may have carried it: under the same key it is not given twice.
 * @param {Command} command @param {Record<string, unknown>} values @param {string} key
 */
async function givenOnce(command, values, key) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await give(command.service, command.command, values, key);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'UNREACHABLE' || attempt === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, SOON_MS));
    }
  }
}

/** What will happen, in words and by its arguments. @param {Command} command @param {Record<string, unknown>} values */
function said(command, values) {
  const all = Object.entries(values);
  return html`<p>${whatItDoes(command)}</p>
    <p class="dim">${t('effort', { service: command.service, attempts: command.attempts, seconds: command.timeout_s })}</p>
    ${all.length
      ? html`<dl class="facts" aria-label=${t('arguments')}>
          ${all.map(([name, value]) => html`<dt>${argumentTitle(name)}</dt><dd class="code">${typeof value === 'string' ? value : JSON.stringify(value)}</dd>`)}
        </dl>`
      : html`<p>${t('no_arguments')}</p>`}`;
}
