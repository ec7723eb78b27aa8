/** Commands in words; one that is not known here speaks for itself, by its own name and what its service says of it. */
import { preferences } from '../core/preferences.js';
import { words } from './text.js';

/** @type {{en: Record<string, string>, zh: Record<string, string>}} */
const WORDS = words;

/** @param {string} key */
function known(key) {
  return Object.hasOwn(WORDS.en, key) ? WORDS[preferences.value.language][key] : '';
}

/** @param {string} command */
export function commandTitle(command) {
  return known(command) || command;
}

/** What happens when it is given. @param {{command: string, summary: string}} command */
export function whatItDoes({ command, summary }) {
  return known(`${command}_does`) || summary;
}

/** What an argument is called. @param {string} name */
export function argumentTitle(name) {
  return known(name) || name;
}
