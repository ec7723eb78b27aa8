/** The sessions of everybody. */
import { html } from '../../vendor/lit.js';
import { endSession, sessionTable } from '../../access/sessions.js';
import { act } from '../../parts/action.js';
import { shown } from '../../parts/states.js';
import { Listing } from './listing.js';

/** @typedef {import('../../access/sessions.js').Session} Session */

/** @extends {Listing<Session[]>} */
class Sessions extends Listing {
  constructor() {
    super('/admin/sessions');
  }

  render() {
    const end = (/** @type {Session} */ each) => act(endSession(each, this.path, this.renew));
    const textOf = (/** @type {Session} */ each) => [each.user, each.address, each.agent, each.key].join(' ');
    return html`${this.tools()}
      ${shown(this.list, (sessions) => this.narrowed(sessions, textOf, (rows) => sessionTable(rows, end, true)))}`;
  }
}

customElements.define('mp-access-sessions', Sessions);
