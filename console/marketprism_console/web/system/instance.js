/** What one instance says of itself: its status, its health with reasons, its metrics, and its log lines. */
import { ask } from '../core/api.js';
import { expectOffered } from '../parts/offered.js';

/** @typedef {{name: string, labels: string, value: string, help: string}} Metric */
/**
 * @typedef {object} Said
 * @property {Record<string, any>} status
 * @property {{status?: string, dependencies?: Record<string, string>, reasons?: Record<string, string>}} health
 * @property {Metric[]} metrics
 * @property {Record<string, string>} missing  why a part is not there
 */
/** @typedef {{ts: number | string, level: string, event: string, fields: Record<string, any>}} LogLine */

/** @param {string} service @param {string} instance */
function pathOf(service, instance) {
  return `/system/instances/${encodeURIComponent(service)}/${encodeURIComponent(instance)}`;
}

/**
 * @param {string} service
 * @param {string} instance
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<Said>}
 */
export async function readInstance(service, instance, options = {}) {
  await expectOffered('/system/instances/{service}/{instance}');
  const { data } = await ask(pathOf(service, instance), {}, options);
  return { status: data.status ?? {}, health: data.health ?? {}, metrics: metricsOf(data.metrics), missing: data.missing ?? {} };
}

/**
 * The newest lines, the last first.
 * @param {string} service
 * @param {string} instance
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<LogLine[]>}
 */
export async function readLogs(service, instance, options = {}) {
  await expectOffered('/system/instances/{service}/{instance}/logs', 'sys:operate');
  const { data } = await ask(`${pathOf(service, instance)}/logs`, {}, options);
  return (Array.isArray(data) ? data : (data?.lines ?? data?.logs ?? [])).map(lineOf).reverse();
}

/** @param {any} line @returns {LogLine} */
function lineOf(line) {
  if (typeof line === 'string') return { ts: '', level: '', event: line, fields: {} };
  const { text, ...outer } = line;
  const { ts, timestamp, level = '', event = '', fields, ...others } = typeof text === 'string' ? { ...inside(text), ...outer } : outer;
  for (const name of ['service', 'instance', 'seq']) delete others[name];
  return { ts: ts ?? timestamp ?? '', level: String(level), event: String(event), fields: fields ?? others };
}

/** The fields of a line that is a JSON object. @param {string} text @returns {Record<string, any>} */
function inside(text) {
  try {
    const found = JSON.parse(text);
    return typeof found === 'object' && found ? found : { event: text };
  } catch {
    return { event: text };
  }
}

/** Rows, or the text that Prometheus reads. @param {any} metrics @returns {Metric[]} */
function metricsOf(metrics) {
  if (typeof metrics === 'string') return parsed(metrics);
  if (!Array.isArray(metrics)) return [];
  return metrics.map(({ name = '', labels = '', value = '', help = '' }) => ({
    name: String(name),
    labels: typeof labels === 'string' ? labels : Object.entries(labels).map(([key, of]) => `${key}="${of}"`).join(', '),
    value: String(value ?? '–'),
    help: String(help),
  }));
}

/** @param {string} text @returns {Metric[]} */
function parsed(text) {
  /** @type {Map<string, string>} */
  const helps = new Map();
  /** @type {Metric[]} */
  const found = [];
  for (const line of text.split('\n')) {
    const help = /^# HELP (\S+) (.*)$/.exec(line);
    if (help) helps.set(help[1], help[2]);
    const sample = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!sample) continue;
    const [, name, labels = '', value] = sample;
    found.push({ name, labels, value, help: helps.get(name) ?? helps.get(name.replace(/_(bucket|sum|count|total)$/, '')) ?? '' });
  }
  return found;
}
