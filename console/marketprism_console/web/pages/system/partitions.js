/** Partitions: a cell for each, with the letter and colour of who owns it; those of nobody stand out. */
import { html, nothing } from '../../vendor/lit.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { clock } from '../../core/time.js';
import { system } from '../../system/live.js';
import { colourOf, letterOf } from '../../system/owners.js';
import { serviceText, t as systemText } from '../../system/text.js';
import { swatch } from './elections.js';
import { t } from './text.js';

/** @typedef {import('../../system/live.js').ShardRow} ShardRow */
/** @typedef {{at: number, service: string, from: string, to: string, partitions: number[]}} Move */

const PARTITIONS = 32;
const MOST_MOVES = 20;
const MARKED_MS = 5000; // a cell that has moved is marked for so long

class Partitions extends Part {
  constructor() {
    super();
    /** @type {Map<string, Map<number, string>>} */
    this.owners = new Map();
    /** @type {Move[]} */
    this.moves = [];
    /** @type {Map<string, number>} */
    this.movedAt = new Map();
  }

  begin() {
    this.#compare();
    this.follow(system.shards, () => {
      this.#compare();
      this.requestUpdate();
    });
    this.follow(system.lags);
  }

  #compare() {
    const seen = system.shards.value;
    for (const row of seen?.value ?? []) {
      const now = ownersOf(row);
      const before = this.owners.get(row.service);
      this.owners.set(row.service, now);
      if (!before || !seen) continue;
      /** @type {Map<string, Move>} */
      const moves = new Map();
      for (const partition of new Set([...before.keys(), ...now.keys()])) {
        const [from, to] = [before.get(partition) ?? '', now.get(partition) ?? ''];
        if (from === to) continue;
        this.movedAt.set(`${row.service} ${partition}`, seen.at);
        const move = moves.get(`${from} ${to}`) ?? { at: seen.at, service: row.service, from, to, partitions: [] };
        move.partitions.push(partition);
        moves.set(`${from} ${to}`, move);
      }
      this.moves = [...moves.values(), ...this.moves].slice(0, MOST_MOVES);
    }
  }

  render() {
    const rows = system.shards.value?.value ?? [];
    return html`<section class="panel">
      <h2>${t('partitions_title')}</h2>
      ${rows.length ? rows.map((row) => this.#stage(row)) : html`<p class="dim">${t('no_partitions')}</p>`} ${this.#moves()}
    </section>`;
  }

  /** @param {ShardRow} row */
  #stage(row) {
    const owners = ownersOf(row);
    const number = Math.max(PARTITIONS, ...[...owners.keys(), ...row.unowned].map((each) => each + 1));
    const instances = Object.entries(row.owners).sort(([a], [b]) => a.localeCompare(b));
    const isWaiting = Object.keys(system.lags.value?.value.partitions ?? {}).some((each) => each.startsWith(`${row.service}:`));
    const unowned = Array.from({ length: number }, (_, i) => i).filter((each) => !owners.has(each));
    return html`<h3>${serviceText(row.service)}</h3>
      ${unowned.length
        ? html`<p class="bad" role="alert">✕ ${t('unowned', { count: unowned.length, list: unowned.join(', ') })}</p>`
        : nothing}
      <ol class="cells" data-stage=${row.service} aria-label=${t('partitions_of', { stage: serviceText(row.service) })}>
        ${Array.from({ length: number }, (_, partition) => this.#cell(row.service, partition, owners.get(partition)))}
      </ol>
      <ul class="legend">
        ${instances.map(
          ([instance, own]) => html`<li>
            ${swatch(row.service, instance)} <span class="wrap">${instance}</span> <span class="dim">${t('owns', { count: own.length })}</span>
          </li>`,
        )}
        ${isWaiting ? html`<li class="dim">${t('waits_mark')}</li>` : nothing}
      </ul>`;
  }

  /** @param {string} service @param {number} partition @param {string | undefined} owner */
  #cell(service, partition, owner) {
    const behind = system.lags.value?.value.partitions[`${service}:${partition}`] ?? 0;
    const isMoved = Date.now() - (this.movedAt.get(`${service} ${partition}`) ?? -Infinity) < MARKED_MS;
    const name = t('partition', { number: partition, owner: owner ?? systemText('nobody') });
    const title = behind ? `${name}, ${t('behind_by', { count: count(behind) })}` : name;
    return html`<li class="${owner ? colourOf(service, owner) : 'unowned'} ${isMoved ? 'moved' : ''}" data-owner=${owner ?? ''} title=${title}>
      <span aria-hidden="true"><small>${partition}</small>${owner ? letterOf(service, owner) : '!'}${behind ? html`<i>•</i>` : nothing}</span>
      <span class="unseen">${title}</span>
    </li>`;
  }

  #moves() {
    if (!this.moves.length) return nothing;
    return html`<h3>${t('moves')}</h3>
      <ol class="moves">
        ${this.moves.map(
          (each) => html`<li>
            <time>${clock(each.at)}</time>
            <span class="wrap">${serviceText(each.service)}: ${each.partitions.join(', ')}
              · ${each.from || systemText('nobody')} → ${each.to || systemText('nobody')}</span>
          </li>`,
        )}
      </ol>`;
  }
}

/** @param {ShardRow} row @returns {Map<number, string>} */
function ownersOf(row) {
  return new Map(Object.entries(row.owners).flatMap(([instance, own]) => own.map((each) => /** @type {[number, string]} */ ([each, instance]))));
}

customElements.define('mp-partitions', Partitions);
