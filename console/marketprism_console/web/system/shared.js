/** Work that goes on for as long as any part of the page needs it. */

/**
 * @param {() => (() => void)} begin  begins it, and returns what ends it
 * @returns {(part: import('../core/part.js').Part) => void} called by each part that needs it
 */
export function shared(begin) {
  let users = 0;
  let end = () => {};
  return (part) => {
    users += 1;
    if (users === 1) end = begin();
    part.whenGone(() => {
      users -= 1;
      if (!users) end();
    });
  };
}
