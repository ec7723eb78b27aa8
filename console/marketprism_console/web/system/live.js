/**
 * What is known of the system: `GET /system` first, then each part as its channel brings it. It is watched only while
 * somebody shows it. Who is not given the channels asks again every few seconds instead.
 */
import { ask } from '../core/api.js';
import { Resource } from '../core/resource.js';
import { Signal } from '../core/signal.js';
import { stream } from '../core/stream.js';
import { shared } from './shared.js';

/**
 * @template T
 * @typedef {{value: T, at: number}} Seen  a part, and when it was received: milliseconds of this computer's clock
 */

/** @typedef {{service: string, instances: number, active: number, versions: string[], kind: string, without: string}} ServiceRow */
/**
 * @typedef {object} InstanceRow
 * @property {string} service
 * @property {string} instance
 * @property {string} version
 * @property {string} group
 * @property {string} status  as the registry has it
 * @property {string} health
 * @property {string} reason
 * @property {boolean} is_silent  no heartbeat for 2 s
 * @property {number} quiet_s
 * @property {number | string} ts_started
 * @property {string} connection
 * @property {string} [host]
 * @property {number | null} [pid]
 * @property {boolean | null} [is_leader]
 * @property {number | null} [epoch]
 * @property {number | null} partitions
 */
/** @typedef {{service: string, group: string, holder: string, epoch: number, state: string, age_s: number | null, problem: string}} LeaderRow */
/** @typedef {{service: string, owners: Record<string, number[]>, unowned: number[]}} ShardRow */
/**
 * @typedef {object} StreamRow
 * @property {string} stream
 * @property {string[]} subjects
 * @property {number} messages
 * @property {number} bytes
 * @property {number} max_bytes
 * @property {number} max_age_s
 * @property {number} first_seq
 * @property {number} last_seq
 * @property {number | null} ts_first
 * @property {number | null} ts_last
 * @property {number} consumers
 * @property {number} replicas
 */
/**
 * @typedef {object} Lags
 * @property {{stage: string, behind: number, oldest_s: number}[]} stages
 * @property {Record<string, number>} partitions  messages that each is behind, by `stage:partition`, where it is
 * @property {number} accepted
 * @property {Record<string, number>} rejected  by reason
 * @property {Record<string, number>} bars  by interval
 * @property {string} source_error
 */
/** @typedef {{level: string, kind: string, what: string, text: string}} AlertRow */

const CHANNELS = /** @type {const} */ ({
  services: 'system.services',
  instances: 'system.health',
  leaders: 'system.leaders',
  shards: 'system.shards',
  streams: 'system.streams',
  lags: 'system.lags',
  alerts: 'system.alerts',
});
/** @typedef {keyof typeof CHANNELS} PartName */

const AGAIN_MS = 3000;

export const system = {
  services: /** @type {Signal<Seen<ServiceRow[]> | null>} */ (new Signal(null)),
  instances: /** @type {Signal<Seen<InstanceRow[]> | null>} */ (new Signal(null)),
  leaders: /** @type {Signal<Seen<LeaderRow[]> | null>} */ (new Signal(null)),
  shards: /** @type {Signal<Seen<ShardRow[]> | null>} */ (new Signal(null)),
  streams: /** @type {Signal<Seen<StreamRow[]> | null>} */ (new Signal(null)),
  lags: /** @type {Signal<Seen<Lags> | null>} */ (new Signal(null)),
  alerts: /** @type {Signal<Seen<AlertRow[]> | null>} */ (new Signal(null)),
};

/** What services tell one another: the newest. @type {Signal<{at: number, service: string, name: string, event: any} | null>} */
export const newestEvent = new Signal(/** @type {any} */ (null));

/** Whether the channels are refused and the answers of `GET /system` stand for them. @type {Signal<boolean>} */
export const isAsked = new Signal(false);

/** The whole, asked once; its errors are what a page says where nothing is known. */
export const whole = new Resource(async (signal) => {
  const began = Date.now();
  const { data } = await ask('/system', {}, { signal });
  for (const name of /** @type {PartName[]} */ (Object.keys(CHANNELS))) {
    const known = system[name].value;
    // What a channel brought while this was on its way is newer.
    if (data[name] && !(known && known.at > began && !isAsked.value)) show(name, data[name]);
  }
  return data;
});

/** @param {PartName} name @param {any} value */
function show(name, value) {
  /** @type {Signal<Seen<any> | null>} */ (system[name]).value = { value, at: Date.now() };
}

/** Have the system watched for as long as a part is in the page. */
export const watchSystem = shared(() => {
  isAsked.value = false;
  void whole.load();
  /** @type {(() => void)[]} */
  const ends = [];
  for (const [name, ch] of /** @type {[PartName, string][]} */ (Object.entries(CHANNELS))) {
    ends.push(
      stream.subscribe(
        { ch, mode: 'latest' },
        { onMessage: ({ d }) => d?.[name] && show(name, d[name]), onError: () => (isAsked.value = true) },
      ),
    );
  }
  const onMessage = (/** @type {{d: any}} */ { d }) => {
    if (typeof d?.service === 'string' && typeof d.name === 'string') {
      newestEvent.value = { at: Date.now(), service: d.service, name: d.name, event: d.event ?? {} };
    }
  };
  ends.push(stream.subscribe({ ch: 'system.events', mode: 'all' }, { onMessage }));
  const timer = setInterval(() => {
    if (isAsked.value && !document.hidden && !whole.known.value.loading) void whole.load();
  }, AGAIN_MS);
  return () => {
    for (const end of ends) end();
    clearInterval(timer);
    whole.stop();
  };
});

/** How long an instance has been silent, milliseconds; 0 while its heart beats. @param {InstanceRow} row @param {number} at when the row was received */
export function silentMs(row, at) {
  return row.is_silent ? row.quiet_s * 1000 + Math.max(0, Date.now() - at) : 0;
}
