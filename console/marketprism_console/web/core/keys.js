/** Keys of the whole page: single ones, and two one after the other (`g m`). None while somebody types. */

/** @typedef {{keys: string, run: () => void}} Shortcut */

/** @type {Map<string, Shortcut>} */
const shortcuts = new Map();
let first = '';
let firstAt = 0;

/**
 * @param {string} keys  `g m`, `[`, `?`
 * @param {() => void} run
 * @returns {() => void} takes it away again
 */
export function shortcut(keys, run) {
  const made = { keys, run };
  shortcuts.set(keys, made);
  return () => {
    if (shortcuts.get(keys) === made) shortcuts.delete(keys);
  };
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.isComposing) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
    event.preventDefault();
    shortcuts.get('ctrl+k')?.run();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector('dialog[open]')) return;
  const now = performance.now();
  const pair = first && now - firstAt < 1500 ? `${first} ${event.key}` : '';
  const found = (pair && shortcuts.get(pair)) || shortcuts.get(event.key);
  first = pair ? '' : event.key;
  firstAt = now;
  if (found) {
    event.preventDefault();
    first = '';
    found.run();
  }
});
