/** Logins that go on: a table of them, and the dialog that ends one. */
import { html, nothing } from '../vendor/lit.js';
import { change } from '../core/api.js';
import { dateTime, ms } from '../core/time.js';
import { table, unseen } from '../parts/table.js';
import { t } from './text.js';

/**
 * @typedef {object} Session
 * @property {string} id
 * @property {'browser' | 'program'} kind
 * @property {string} address
 * @property {string} [agent]
 * @property {string} [key]
 * @property {string} [user]
 * @property {number} ts_created
 * @property {number} ts_used
 * @property {boolean} current
 */

/** A browser by the name that it gives itself: the program and the system. @param {string} agent */
function browserOf(agent) {
  const program = /(Edg|OPR|Firefox|Chrome|Safari)\/(\d+)/.exec(agent.replace(/Headless/, ''));
  const system = /(Windows|Mac OS|Android|iPhone|iPad|Linux)/.exec(agent);
  return program ? [program[1].replace('Edg', 'Edge').replace('OPR', 'Opera'), program[2], system?.[1]].filter(Boolean).join(' ') : agent;
}

/** @param {Session} session */
function wayOf(session) {
  if (session.kind === 'browser') return browserOf(session.agent ?? '') || t('browser');
  return session.key ? t('program_key', { key: session.key }) : t('program');
}

/**
 * @param {Session[]} sessions
 * @param {(session: Session) => void} end
 * @param {boolean} [withUser]
 */
export function sessionTable(sessions, end, withUser = false) {
  const columns = /** @type {const} */ (['by', 'address', 'created', 'used']);
  return table(
    { label: t('sessions') },
    [...(withUser ? [t('user')] : []), ...columns.map((name) => t(name)), unseen(t('actions'))],
    sessions.map(
      (each) => html`<tr>
        ${withUser ? html`<th scope="row" class="wrap">${each.user}</th>` : nothing}
        <td class="wrap" title=${each.agent ?? ''}>
          ${wayOf(each)}
          ${each.current ? html`<span class="badge good">${t('this_one')}</span>` : nothing}
        </td>
        <td>${each.address}</td>
        <td class="time">${dateTime(ms(each.ts_created))}</td>
        <td class="time">${dateTime(ms(each.ts_used))}</td>
        <td>
          <button
            type="button" @click=${() => end(each)}
            aria-label=${t('end_session_of', { address: each.address, time: dateTime(ms(each.ts_created)) })}
          >
            ${t('end')}
          </button>
        </td>
      </tr>`,
    ),
  );
}

/** @param {Session} session @param {string} path @param {() => void} then @returns {import('../parts/action.js').Action} */
export function endSession(session, path, then) {
  return {
    title: t('end_session'),
    button: t('end'),
    isGrave: true,
    body: html`<p class="wrap">${t(session.current ? 'end_own_more' : 'end_more', { user: session.user ?? '', address: session.address })}</p>`,
    act: () => change('DELETE', `${path}/${encodeURIComponent(session.id)}`),
    then,
  };
}
