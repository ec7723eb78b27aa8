/** The address bar holds the view: what is shown follows from it, so that it can be sent to a colleague. */
import { Signal } from './signal.js';

/** @typedef {{path: string, params: Record<string, string>}} Address */

/** @returns {Address} */
function current() {
  let path = '/';
  try {
    path = decodeURI(location.pathname);
  } catch {
    // An address that is no UTF-8 leads to the page that says that nothing is there.
    path = location.pathname;
  }
  return { path, params: Object.fromEntries(new URLSearchParams(location.search)) };
}

/** @type {Signal<Address>} */
export const address = new Signal(current());

/**
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} [params]  those without a value are left out
 */
export function hrefOf(path, params = {}) {
  const given = Object.entries(params).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return encodeURI(path).replace(/[?#]/g, encodeURIComponent) + (query ? `?${query}` : '');
}

/**
 * Go to another view; the one before can be gone back to.
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} [params]
 */
export function go(path, params) {
  history.pushState(null, '', hrefOf(path, params));
  address.value = current();
}

/**
 * The same view with other parameters: null takes one away.
 * @param {Record<string, string | number | null | undefined>} changes
 */
export function alter(changes) {
  history.replaceState(null, '', hrefOf(address.value.path, { ...address.value.params, ...changes }));
  address.value = current();
}

addEventListener('popstate', () => (address.value = current()));

// Links of the page lead to another view without loading it anew; those with a modifier key open as everywhere.
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.composedPath().find((each) => each instanceof HTMLAnchorElement);
  if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute('download')) return;
  if (link.origin !== location.origin || link.pathname.startsWith('/api/')) return;
  event.preventDefault();
  if (link.href === location.href) return;
  history.pushState(null, '', link.href);
  address.value = current();
});
