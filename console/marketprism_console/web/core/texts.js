/**
 * Words of the screen in every language. Each folder has its own `text.js`; nothing else holds text that people read.
 */
import { preferences } from './preferences.js';

/** @typedef {Record<string, string | number>} Values */

/** Every dictionary, for the test that compares the languages. @type {{en: Record<string, string>, zh: Record<string, string>}[]} */
export const dictionaries = [];

/**
 * A translator over words in both languages. `{name}` in a text is replaced by that value.
 * @template {Record<string, string>} T
 * @param {{en: T, zh: {[K in keyof T]: string}}} words
 * @returns {(key: keyof T & string, values?: Values) => string}
 */
export function texts(words) {
  dictionaries.push(words);
  return (key, values) => fill(words[preferences.value.language][key], values);
}

/**
 * A translator of names that come from elsewhere, as those of reasons; one that there is no word for speaks for itself.
 * @param {{en: Record<string, string>, zh: Record<string, string>}} words
 * @returns {(name: string | null | undefined, values?: Values) => string}
 */
export function names(words) {
  dictionaries.push(words);
  return (name, values) => (name && Object.hasOwn(words.en, name) ? fill(words[preferences.value.language][name], values) : (name ?? ''));
}

/**
 * @param {string} text
 * @param {Values} [values]
 */
function fill(text, values) {
  return values ? text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole)) : text;
}
