/**
 * When to paint. Messages only change what is known; each part is painted at a pace of its own, in the browser's frames,
 * and not at all while nothing has changed or nobody sees the page.
 */

/** @type {Set<Pace>} */
const dirty = new Set();
let frame = 0;

export class Pace {
  #every;
  #paint;
  #last = -Infinity;

  /**
   * @param {number} perSecond  at most so many times a second
   * @param {() => void} paint
   */
  constructor(perSecond, paint) {
    this.#every = 1000 / perSecond - 4; // a frame that is a little early counts
    this.#paint = paint;
  }

  /** Something has changed. */
  mark() {
    dirty.add(this);
    if (!frame && !document.hidden) frame = requestAnimationFrame(run);
  }

  /** Nothing is to be painted any more. */
  stop() {
    dirty.delete(this);
  }

  /** @param {number} now */
  due(now) {
    if (now - this.#last < this.#every) return false;
    this.#last = now;
    return true;
  }

  paint() {
    this.#paint();
  }
}

/** @param {number} now */
function run(now) {
  frame = 0;
  for (const pace of [...dirty]) {
    if (!pace.due(now)) continue;
    dirty.delete(pace);
    pace.paint();
  }
  if (dirty.size && !document.hidden) frame = requestAnimationFrame(run);
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden && dirty.size && !frame) frame = requestAnimationFrame(run);
});
