/** Commands in words; one that is not known here speaks for itself, by its own name and what its service says of it. */
import { word } from './text.js';

/** What a command, or an argument of one, is called. */
export const commandTitle = word;
export const argumentTitle = word;

/** What happens when it is given. @param {{command: string, summary: string}} command */
export function whatItDoes({ command, summary }) {
  const key = `${command}_does`;
  const known = word(key);
  return known === key ? summary : known;
}
