/** The time axis: marked by trading days and sections instead of by midnights of UTC. */
import { defaultHorzScaleBehavior } from '../vendor/lightweight-charts.js';
import { clock, date, minute } from '../core/time.js';

const WEIGHTS = { day: 50, section: 33, hour: 30, half: 22, five: 21, other: 20 };

export class SessionScale extends defaultHorzScaleBehavior() {
  venue = '';
  /** @type {(time: number) => {day: string, open: number} | undefined} */
  sectionOf = () => undefined;

  /** @param {any[]} points @param {number} from */
  fillWeightsForPoints(points, from) {
    let before = from ? this.sectionOf(points[from - 1].originalTime * 1000) : undefined;
    for (let at = from; at < points.length; at += 1) {
      const time = points[at].originalTime;
      const section = this.sectionOf(time * 1000);
      points[at].timeWeight = this.#weight(time, section, before, at === 0);
      before = section ?? before;
    }
  }

  /**
   * @param {number} time
   * @param {{day: string} | undefined} section
   * @param {{day: string} | undefined} before
   * @param {boolean} isFirst
   */
  #weight(time, section, before, isFirst) {
    if (isFirst || section?.day !== before?.day) return WEIGHTS.day;
    if (section !== before) return WEIGHTS.section;
    if (time % 3600 === 0) return WEIGHTS.hour;
    return time % 1800 === 0 ? WEIGHTS.half : time % 300 === 0 ? WEIGHTS.five : WEIGHTS.other;
  }

  /** @param {any} mark */
  formatTickmark(mark) {
    const at = seconds(mark.originalTime ?? mark.time) * 1000;
    const day = this.sectionOf(at)?.day;
    if (mark.weight < WEIGHTS.day) return minute(at, this.venue);
    return day ? `${day.slice(4, 6)}-${day.slice(6)}` : date(at, this.venue).slice(5);
  }

  /** @param {any} item */
  formatHorzItem(item) {
    const at = seconds(item) * 1000;
    return `${date(at, this.venue).slice(5)} ${clock(at, this.venue).slice(0, at % 60_000 ? 8 : 5)}`;
  }
}

/** @param {any} item  seconds, or the chart's own form of them */
function seconds(item) {
  return typeof item === 'number' ? item : Number(item?.timestamp ?? NaN);
}
