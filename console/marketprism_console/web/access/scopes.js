/** Permissions, in words. */
import { t } from './text.js';

/** As the gateway has them; one that it has beside these is shown by its name. */
const SCOPES = /** @type {const} */ ([
  'md:read', 'md:stream', 'md:history', 'md:export', 'backtest:run', 'calc:run', 'download:run', 'sys:read', 'sys:operate',
  'rules:write', 'keys:self', 'admin:access', 'audit:read', 'metrics:read',
]);

/** @param {string} scope */
export function inWords(scope) {
  const known = SCOPES.find((each) => each === scope);
  return known ? t(`scope_${known}`) : scope;
}

/** Known ones in their order, then the rest. @param {Iterable<string>} scopes */
export function inOrder(scopes) {
  const all = new Set(scopes);
  return [...SCOPES.filter((each) => all.has(each)), ...[...all].filter((each) => !SCOPES.some((known) => known === each)).sort()];
}
