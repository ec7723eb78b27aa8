/** Letters and colours of instances: the same instance has the same ones everywhere on the page, for as long as it is open. */

const COLOURS = 8; // `.owner-0` to `.owner-7` of the style
/** @type {Map<string, number>} */
const numbers = new Map();

/** @param {string} owner */
function numberOf(owner) {
  let number = numbers.get(owner);
  if (number === undefined) {
    number = numbers.size;
    numbers.set(owner, number);
  }
  return number;
}

/** `A` to `Z`, then `A2`. @param {string} service @param {string} instance */
export function letterOf(service, instance) {
  const number = numberOf(`${service} ${instance}`);
  const round = Math.floor(number / 26);
  return String.fromCharCode(65 + (number % 26)) + (round ? String(round + 1) : '');
}

/** Its class of the style. @param {string} service @param {string} instance */
export function colourOf(service, instance) {
  return `owner-${numberOf(`${service} ${instance}`) % COLOURS}`;
}
