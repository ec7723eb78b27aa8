/** The instruments that a person wants to see first: kept in this browser, in the order in which they were chosen. */
import { Signal } from '../core/signal.js';

const KEY = 'marketprism.watch-list';
const MOST = 100;

/** @returns {string[]} */
function remembered() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(found) ? found.filter((each) => typeof each === 'string').slice(0, MOST) : [];
  } catch {
    return []; // storage that is forbidden or broken holds nothing
  }
}

/** Names as in addresses: `shfe.rb2605`. @type {Signal<string[]>} */
export const watchList = new Signal(remembered());

/** Put an instrument on the list, or take it off. @param {string} name */
export function toggleWatched(name) {
  const { value } = watchList;
  watchList.value = value.includes(name) ? value.filter((each) => each !== name) : [...value, name].slice(-MOST);
  try {
    localStorage.setItem(KEY, JSON.stringify(watchList.value));
  } catch {
    // It holds for as long as the page is open.
  }
}

addEventListener('storage', ({ key }) => {
  if (key === KEY) watchList.value = remembered();
});
