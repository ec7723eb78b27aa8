/** What this browser keeps for a person, as JSON. Storage that is forbidden or broken holds nothing, and no page fails for it. */

/**
 * What was kept; null where there is nothing.
 * @param {() => Storage} storage  asked for when it is needed: where it is forbidden, naming it is an error already
 * @param {string} key
 */
export function recall(storage, key) {
  try {
    return JSON.parse(storage().getItem(key) ?? 'null');
  } catch {
    return null;
  }
}

/**
 * Keep a value.
 * @param {() => Storage} storage
 * @param {string} key
 * @param {unknown} value
 */
export function remember(storage, key, value) {
  try {
    storage().setItem(key, JSON.stringify(value));
  } catch {
    // It holds for as long as the page is open.
  }
}
