/** Names of subjects: a name that holds what NATS gives a meaning to is written with its bytes. */

/**
 * A name as one token of a subject; the rule is that of the platform.
 * @param {string} name
 */
export function token(name) {
  if (!name) return '=';
  return name.replace(/[^A-Za-z0-9_-]/gu, (letter) =>
    Array.from(new TextEncoder().encode(letter), (byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}
