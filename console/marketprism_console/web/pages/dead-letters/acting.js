/** What is done to dead letters: each by itself, one after the other, and each says what became of it. */
import { html } from '../../vendor/lit.js';
import { change } from '../../core/api.js';
import { outcomeOf } from '../../operate/commands.js';
import { reasonIn, refused } from '../../parts/action.js';
import { t } from './text.js';

/** @typedef {import('../../parts/action.js').Outcome} Outcome */
/** @typedef {import('../../parts/action.js').Action} Action */
/** @typedef {{key: string, title: string}} Chosen  what is done something to, and what it is called */

const FOLLOW_MS = 12_000;

/**
 * @param {Chosen[]} chosen
 * @param {(each: Chosen, reason: string) => Promise<Omit<Outcome, 'what'>>} work
 * @returns {Action['act']}
 */
function oneByOne(chosen, work) {
  return async (form, report) => {
    const reason = reasonIn(form);
    /** @type {Outcome[]} */
    const outcomes = chosen.map(({ title }) => ({ what: title, is: 'waiting' }));
    report([...outcomes]);
    for (const [n, each] of chosen.entries()) {
      try {
        outcomes[n] = { what: each.title, ...(await work(each, reason)) };
      } catch (error) {
        outcomes[n] = refused(each.title, error);
      }
      report([...outcomes]);
    }
  };
}

/** @param {Chosen[]} chosen @param {unknown} what @param {() => void} then @returns {Action} */
export function redriving(chosen, what, then) {
  /** Keys that they were put back under. @type {Map<string, string>} */
  const keys = new Map();
  const putBack = oneByOne(chosen, async ({ key }, reason) => {
    const { data } = await change('POST', `/dead-letters/${key}/requeue`, { reason });
    keys.set(key, data.key);
    return { is: 'waiting', text: t('on_queue') };
  });
  return {
    title: t('ask_redrive', { count: chosen.length }), body: listed(chosen, what), button: t('do_redrive'), asksReason: true, then,
    act: async (form, report) => {
      /** @type {Outcome[]} */
      let known = [];
      await putBack(form, (outcomes) => report((known = outcomes)));
      // All are on their queues by now: what became of them is followed for all at once.
      await Promise.all(chosen.map(async ({ key }, n) => {
        const id = keys.get(key);
        if (!id) return;
        const end = await outcomeOf(id, FOLLOW_MS).catch(() => undefined);
        if (!end) return;
        const text = end.status === 'done' ? t('did') : t('refused_again', { reason: end.reason, seq: end.dead_letter ?? '–' });
        known = known.with(n, { what: known[n].what, is: end.status === 'done' ? 'done' : 'refused', text });
        report(known);
      }));
    },
  };
}

/** @param {Chosen[]} chosen @param {() => void} then @returns {Action} */
export function discarding(chosen, then) {
  return {
    title: t('ask_discard', { count: chosen.length }), body: listed(chosen, t('discard_what')), button: t('do_discard'), asksReason: true, then,
    act: oneByOne(chosen, async ({ key }, reason) => {
      await change('DELETE', `/dead-letters/${key}`, { reason });
      return { is: 'done', text: t('thrown') };
    }),
  };
}

/** @param {Chosen[]} chosen @param {() => void} then @returns {Action} */
export function requeueing(chosen, then) {
  return {
    title: t('ask_requeue', { count: chosen.length }), body: listed(chosen, t('will_rows')), button: t('do_requeue'), asksReason: true, then,
    act: oneByOne(chosen, async ({ key }, reason) => {
      const { data } = await change('POST', '/dead-letters/rows/requeue', { key, reason });
      const why = data.refused[key];
      return why ? { is: 'refused', text: String(why) } : { is: 'done', text: t('stored') };
    }),
  };
}

const MOST_LISTED = 8;

/** @param {Chosen[]} chosen @param {unknown} what */
function listed(chosen, what) {
  const left = chosen.length - MOST_LISTED;
  return html`<p>${what}</p>
    <ul>
      ${chosen.slice(0, MOST_LISTED).map(({ title }) => html`<li class="wrap">${title}</li>`)} ${left > 0 ? html`<li>… +${left}</li>` : ''}
    </ul>`;
}
