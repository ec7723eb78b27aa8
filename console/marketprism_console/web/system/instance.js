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
  return data.lines.reverse();
}

/** @param {any[] | null} metrics  null where it gives none @returns {Metric[]} */
function metricsOf(metrics) {
  return (metrics ?? []).map(({ name, labels, value, help }) => ({
    name,
    labels: Object.entries(labels).map(([key, of]) => `${key}="${of}"`).join(', '),
    value: String(value ?? '–'),
    help,
  }));
}
