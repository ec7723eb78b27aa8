/** A resource of which not every gateway has the request, and not everybody the permission: that is no failure. */
import { ApiError } from '../core/api.js';
import { hasRoute } from '../core/routes.js';
import { may } from '../core/who.js';
import { empty, shown } from './states.js';
import { t } from './text.js';

/**
 * To be called before a request: nothing is asked that is known to be refused.
 * @param {string} path  as the gateway writes it, below `/api/v1`
 * @param {string} [scope]  what it needs beyond what the page needs
 * @throws {ApiError}
 */
export async function expectOffered(path, scope = '') {
  if (scope && !may(scope)) throw new ApiError('FORBIDDEN', '', { status: 403, details: { scope } });
  if (!(await hasRoute(path))) throw new ApiError('NOT_THERE', '');
}

/**
 * @template T
 * @param {import('../core/resource.js').Resource<T>} resource
 * @param {(data: T) => unknown} ready
 * @param {{empty?: (data: T) => unknown, none?: () => unknown, lines?: number}} [options]
 */
export function offered(resource, ready, options) {
  const { data, error } = resource.known.value;
  if (data === undefined && error?.code === 'NOT_THERE') return empty(t('not_offered'));
  return shown(resource, ready, options);
}
