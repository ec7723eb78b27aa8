/** Words of the system that several pages say. */
import { texts } from '../core/texts.js';

export const t = texts({
  en: {
    healthy: 'healthy', degraded: 'degraded', unhealthy: 'unhealthy', gone: 'gone', no_answer: 'no answer', not_asked: 'not asked', unknown: 'unknown',
    starting: 'starting', standby: 'standby', active: 'active', finished: 'finished', failed: 'failed', draining: 'draining',
    service_gateway: 'Gateway', service_validator: 'Validator', service_aggregator: 'Aggregator', service_storage: 'Storage',
    service_query: 'Query', service_api: 'API', service_monitor: 'Monitor',
    level_error: 'error', level_warning: 'warning',
    nobody: 'nobody',
    now: 'now',
    forever: 'as long as there is room',
    not_known: 'not known yet',
    asked: 'The live channels are not given to you: this is asked anew every 3 s.',
  },
  zh: {
    healthy: '健康', degraded: '降级', unhealthy: '不健康', gone: '已消失', no_answer: '无应答', not_asked: '未询问', unknown: '未知',
    starting: '启动中', standby: '待命', active: '运行中', finished: '已完成', failed: '已失败', draining: '退出中',
    service_gateway: '网关', service_validator: '校验', service_aggregator: '聚合', service_storage: '存储',
    service_query: '查询', service_api: 'API', service_monitor: '监控',
    level_error: '错误', level_warning: '警告',
    nobody: '无',
    now: '现在',
    forever: '只受空间限制',
    not_known: '尚不可知',
    asked: '没有实时频道的权限：每 3 秒重新查询一次。',
  },
});

/** @type {Record<string, Parameters<typeof t>[0]>} */
const HEALTH = {
  healthy: 'healthy', degraded: 'degraded', unhealthy: 'unhealthy', gone: 'gone', 'no answer': 'no_answer', 'not asked': 'not_asked',
};
/** @type {Record<string, Parameters<typeof t>[0]>} */
const STATUS = { starting: 'starting', standby: 'standby', active: 'active', finished: 'finished', failed: 'failed', draining: 'draining' };
/** @type {Record<string, Parameters<typeof t>[0]>} */
const SERVICES = {
  gateway: 'service_gateway', validator: 'service_validator', aggregator: 'service_aggregator', storage: 'service_storage',
  query: 'service_query', api: 'service_api', monitor: 'service_monitor',
};

/** What is wrong, worst last. */
const WORSE = ['healthy', 'not asked', 'degraded', 'unhealthy', 'no answer', 'gone'];

/** @param {string} health */
export function healthText(health) {
  return HEALTH[health] ? t(HEALTH[health]) : health || t('unknown');
}

/** A sign and a colour, so that neither stands alone. @param {string} health @returns {{sign: string, tone: string}} */
export function healthSign(health) {
  if (health === 'healthy') return { sign: '●', tone: 'good' };
  if (health === 'degraded') return { sign: '▲', tone: 'warn' };
  return health === 'not asked' || !health ? { sign: '○', tone: 'dim' } : { sign: '✕', tone: 'bad' };
}

/** The worst of some. @param {string[]} all */
export function worst(all) {
  const rank = (/** @type {string} */ each) => (WORSE.includes(each) ? WORSE.indexOf(each) : WORSE.length);
  return all.reduce((found, each) => (rank(each) > rank(found) ? each : found), 'healthy');
}

/** @param {string} status */
export function statusText(status) {
  return STATUS[status] ? t(STATUS[status]) : status;
}

/** The name of a service, or of the stage that it is; the word of the settings for those that are not ours. @param {string} service */
export function serviceText(service) {
  return SERVICES[service] ? t(SERVICES[service]) : service;
}
