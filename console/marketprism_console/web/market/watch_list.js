/** The instruments that a person wants to see first: kept in this browser, in the order in which they were chosen. */
import { recall, remember } from '../core/remembered.js';
import { Signal } from '../core/signal.js';

const KEY = 'marketprism.watch-list';
const MOST = 100;

/** @returns {string[]} */
function remembered() {
  const found = recall(() => localStorage, KEY);
  return Array.isArray(found) ? found.filter((each) => typeof each === 'string').slice(0, MOST) : [];
}

/** Names as in addresses: `shfe.rb2605`. @type {Signal<string[]>} */
export const watchList = new Signal(remembered());

/** Put an instrument on the list, or take it off. @param {string} name */
export function toggleWatched(name) {
  const { value } = watchList;
  watchList.value = value.includes(name) ? value.filter((each) => each !== name) : [...value, name].slice(-MOST);
  remember(() => localStorage, KEY, watchList.value);
}

addEventListener('storage', ({ key }) => {
  if (key === KEY) watchList.value = remembered();
});
