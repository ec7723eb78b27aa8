/**
 * The pages. A page is a folder with a `page.js`, whose default export is the name of its element, and a row here.
 * Those of services that are not there yet are rows with `route`: they appear when the gateway has that request.
 */

/**
 * @typedef {object} PageRow
 * @property {string} name  its key in `pages/text.js`
 * @property {string} path  the beginning of its addresses
 * @property {string} [keys]  what is typed to go there
 * @property {string} [scope]  who does not have it is told so
 * @property {string} [route]  a path below `/api/v1` without which the page is not offered
 * @property {boolean} [explains]  without the scope the page itself says what is to be done
 * @property {boolean} [unlisted]  it does not stand in the list of pages
 * @property {() => Promise<{default: string}>} load
 */

/** @type {PageRow[]} */
export const PAGES = [
  { name: 'market', path: '/market', keys: 'g m', scope: 'md:read', load: () => import('./market/page.js') },
  { name: 'contracts', path: '/contracts', keys: 'g o', scope: 'md:history', load: () => import('./contracts/page.js') },
  { name: 'crypto', path: '/crypto', keys: 'g y', scope: 'md:read', load: () => import('./crypto/page.js') },
  { name: 'data', path: '/data', keys: 'g g', scope: 'md:history', load: () => import('./data/page.js') },
  { name: 'backtests', path: '/backtests', keys: 'g b', scope: 'backtest:run', route: '/backtests', load: () => import('./backtests/page.js') },
  { name: 'orders', path: '/orders', keys: 'g u', scope: 'calc:run', route: '/orders/tables/{venue}', load: () => import('./orders/page.js') },
  { name: 'quality', path: '/quality', keys: 'g q', scope: 'md:history', load: () => import('./quality/page.js') },
  { name: 'system', path: '/system', keys: 'g s', scope: 'sys:read', load: () => import('./system/page.js') },
  { name: 'streams', path: '/streams', keys: 'g x', scope: 'sys:read', load: () => import('./streams/page.js') },
  { name: 'dead-letters', path: '/dead-letters', keys: 'g d', scope: 'sys:read', load: () => import('./dead-letters/page.js') },
  { name: 'commands', path: '/commands', keys: 'g c', scope: 'sys:read', load: () => import('./commands/page.js') },
  { name: 'jobs', path: '/jobs', keys: 'g j', scope: 'sys:read', route: '/scheduler/jobs', load: () => import('./jobs/page.js') },
  { name: 'events', path: '/events', keys: 'g e', scope: 'sys:read', load: () => import('./events/page.js') },
  { name: 'rules', path: '/rules', keys: 'g r', scope: 'sys:read', load: () => import('./rules/page.js') },
  { name: 'config', path: '/config', keys: 'g f', scope: 'sys:read', route: '/monitor/config', load: () => import('./config/page.js') },
  { name: 'access', path: '/access', keys: 'g a', scope: 'admin:access', explains: true, load: () => import('./access/page.js') },
  { name: 'me', path: '/me', unlisted: true, load: () => import('./me/page.js') },
  { name: 'about', path: '/about', unlisted: true, load: () => import('./about/page.js') },
];

/** Where `/` leads. */
const FIRST = '/market';

/**
 * The page of an address, and what stands behind its path.
 * @param {string} path
 * @returns {{row: PageRow, rest: string} | undefined}
 */
export function pageOf(path) {
  const asked = path === '/' ? FIRST : path;
  const row = PAGES.find((each) => asked === each.path || asked.startsWith(`${each.path}/`));
  return row && { row, rest: asked.slice(row.path.length + 1) };
}
