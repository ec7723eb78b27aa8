/** A dead letter in words. */
import { commandTitle } from '../../operate/words.js';
import { t } from './text.js';

/** @param {{seq: number, service: string, command: string}} row */
export function titleOf({ seq, service, command }) {
  return `${seq} ${service}${command ? ` / ${commandTitle(command)}` : ''}`;
}

/**
 * What will happen to one that is put back; empty while it is not known what services take.
 * @param {{service: string, command: string, subject: string}} row
 * @param {import('../../operate/commands.js').Command[] | undefined} known
 */
export function willOf({ service, command, subject }, known) {
  if (!command || !subject.startsWith('cmd.')) return t('will_not');
  if (!known) return '';
  const found = known.find((each) => each.service === service && each.command === command);
  return found
    ? t('will_known', { service, command: commandTitle(command), attempts: found.attempts })
    : t('will_unknown', { service, command: commandTitle(command) });
}
