/** The sessions of everybody. */
import { html } from '../../vendor/lit.js';
import { endSession, sessionTable } from '../../access/sessions.js';
import { shown } from '../../parts/states.js';
import { Listing } from './listing.js';

/** @typedef {import('../../access/sessions.js').Session} Session */

/** @extends {Listing<Session[]>} */
class Sessions extends Listing {
  constructor() {
    super('/admin/sessions');
  }

  render() {
    const end = (/** @type {Session} */ each) => this.act(endSession(each, this.path, this.renew));
    const textOf = (/** @type {Session} */ each) => [each.user, each.address, each.agent, each.key].join(' ');
    return html`${this.tools()}
      ${shown(this.list, (sessions) => this.narrowed(sessions, textOf, (rows) => sessionTable(rows, end, true)))} ${this.dialog()}`;
  }
}

customElements.define('mp-access-sessions', Sessions);
