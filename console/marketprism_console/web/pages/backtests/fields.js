/** What a run is asked for by, and the request that is made of what is filled in. */
import { instrumentOf } from '../../core/instruments.js';
import { fieldsOf, presetText, valuesOf } from '../../operate/schema.js';
import { inWord } from './shown.js';

/** @typedef {import('../../operate/schema.js').Problem} Problem */
/** @typedef {'run' | 'sweep' | 'walk_forward'} Kind */
/** @typedef {{name: string, text: string, schema: any, problem: string}} Strategy */
/** @typedef {{name: string, kind: 'text' | 'choice' | 'flag' | 'day' | 'known', choices?: string[], like?: string, description?: string,
 *   preset?: string}} Field */

/** @type {Field[]} */
export const MAIN = [
  { name: 'from', kind: 'day' },
  { name: 'to', kind: 'day' },
  { name: 'interval', kind: 'choice', choices: ['1m', '5m', '15m', '30m', '1h', '1d', ''] },
  { name: 'mode', kind: 'choice', choices: ['bar', 'quote', 'trade', 'queue'] },
  { name: 'capital', kind: 'text', like: '1000000' },
];
/** Settings that are asked for with these, not among the others. */
export const FIRST = ['gap_policy'];

/** Fields of the settings that runs may have, of their JSON Schema; they have the names of the command line. @param {any} schema @returns {Field[]} */
export function settingsOf(schema) {
  return fieldsOf(schema).map(({ name, kind, choices, preset, rules, description }) => {
    const examples = /** @type {string[]} */ (rules.examples ?? []);
    const form = kind === 'flag' ? 'flag' : choices.length ? 'choice' : examples.length > 1 ? 'known' : 'text';
    return { name, kind: form, choices: choices.length ? choices : examples, like: String(preset || examples[0] || ''), description, preset: String(preset) };
  });
}

/** @type {Field[]} */
const SWEEP = [
  { name: 'method', kind: 'choice', choices: ['grid', 'random', 'sobol'] },
  { name: 'samples', kind: 'text', like: '100' },
  { name: 'constraint', kind: 'text', like: 'fast < slow' },
  { name: 'objective', kind: 'known', choices: ['sharpe', 'net', 'sortino', 'calmar', 'profit_factor', 'sqn', 'omega'], like: 'sharpe' },
];
/** What is asked besides, by what is asked for. @type {Record<Kind, Field[]>} */
export const BESIDES = {
  run: [],
  sweep: [...SWEEP, { name: 'kernel', kind: 'flag' }],
  walk_forward: [...SWEEP, { name: 'train', kind: 'text', like: '60' }, { name: 'test', kind: 'text', like: '20' },
    { name: 'embargo', kind: 'text', like: '0' }, { name: 'anchored', kind: 'flag' }],
};
export const PATHS = { run: '/backtests', sweep: '/backtests/sweeps', walk_forward: '/backtests/walk-forwards' };

const WHOLE = ['samples', 'train', 'test', 'embargo'];

/** Values of a parameter over which a sweep goes: a list, or from, to and step. @param {string} text */
function spaceOf(text) {
  const parts = text.split(':').map((each) => each.trim());
  if (parts.length === 3) return { from: valueIn(parts[0]), to: valueIn(parts[1]), step: valueIn(parts[2]) };
  return text.split(/[,，\s]+/).filter(Boolean).map(valueIn);
}

/** @param {string} text */
function valueIn(text) {
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** Whether what stands in a parameter's field is more than one value. @param {string} text */
function isMany(text) {
  return /[,，:]/.test(text);
}

/** What a parameter has at first: of a sweep what its strategy proposes. @param {any} schema @param {string} name @param {Kind} kind @param {string} preset */
export function firstOf(schema, name, kind, preset) {
  const proposed = schema?.properties?.[name]?.sweep;
  return kind !== 'run' && Array.isArray(proposed) ? proposed.join(', ') : preset;
}

/**
 * The request of what is filled in, or what is wrong with it, by field.
 * @param {Kind} kind @param {Strategy} strategy @param {Field[]} options @param {Record<string, string>} typed  parameters by `params.<name>`
 * @returns {{body: Record<string, any>, problems: Record<string, Problem>}}
 */
export function bodyOf(kind, strategy, options, typed) {
  const fields = fieldsOf(strategy.schema);
  const params = Object.fromEntries(fields.map((field) => [
    field.name, typed[`params.${field.name}`] ?? firstOf(strategy.schema, field.name, kind, presetText(field)),
  ]));
  const many = kind === 'run' ? [] : fields.filter(({ name }) => isMany(params[name]));
  const { values, problems } = valuesOf(fields.filter((field) => !many.includes(field)), params);
  const named = (typed.instruments ?? '').split(/[\s,，;；]+/).filter(Boolean).map((each) => instrumentOf(each) ?? { venue: '', symbol: each });
  const settings = /** @type {Record<string, unknown>} */ ({});
  const body = /** @type {Record<string, any>} */ ({
    strategy: strategy.name, instruments: named.map(({ symbol }) => symbol), venue: named[0]?.venue ?? '', params: values, settings,
  });
  for (const { name } of MAIN) {
    const text = (typed[name] ?? '').trim();
    if (name === 'interval') body.interval = typed.interval ?? '1m';
    else if (text) body[name] = text;
  }
  for (const { name, kind: form } of options) {
    const text = (typed[name] ?? '').trim();
    if (text) settings[name] = form === 'flag' || text;
  }
  if (kind !== 'run') {
    body.space = Object.fromEntries(many.map(({ name }) => [name, spaceOf(params[name])]));
    for (const { name, kind: form } of BESIDES[kind]) {
      const text = (typed[name] ?? '').trim();
      if (text) body[name] = form === 'flag' ? true : WHOLE.includes(name) ? valueIn(text) : text;
    }
  }
  const found = Object.fromEntries(Object.entries(problems).map(([name, problem]) => [`params.${name}`, problem]));
  const isWalk = kind === 'walk_forward';
  const needed = { instruments: !named.length, space: kind !== 'run' && !many.length, train: isWalk && !typed.train, test: isWalk && !typed.test };
  for (const [name, isMissing] of Object.entries(needed)) if (isMissing) found[name] = { key: name === 'space' ? 'no_space' : 'needed', values: {} };
  return { body, problems: found };
}

/** What is typed of a request that was made before. @param {import('./shown.js').Shown} record */
export function typedOf({ params, sweep, instruments, venue, interval, ts_from: from, ts_to: to, settings }) {
  const typed = /** @type {Record<string, string>} */ ({ instruments: instruments.map((each) => (venue ? `${venue}.${each}` : each)).join(', '), interval });
  for (const [name, value] of Object.entries(params)) typed[`params.${name}`] = typeof value === 'object' ? JSON.stringify(value) : String(value);
  for (const [name, value] of Object.entries(sweep?.space ?? {})) {
    typed[`params.${name}`] = inWord(value);
  }
  for (const [name, value] of Object.entries({ ...settings, ...sweep, mode: settings.fill })) {
    if (name !== 'space' && value !== false && value !== '') typed[name] = String(value);
  }
  for (const [name, time] of /** @type {const} */ ([['from', from], ['to', to]])) if (time !== null) typed[name] = instant(time);
  return typed;
}

/** A day where it begins one of UTC, else the instant. @param {number} time */
function instant(time) {
  const text = new Date(Math.round(time / 1e6)).toISOString();
  return text.endsWith('T00:00:00.000Z') ? text.slice(0, 10) : text;
}

/** The field of the form that a refusal is about. @param {import('../../core/api.js').ApiError} error */
export function fieldOf({ details, message }) {
  const text = String(details.field ?? '') || (/^(?:request: )?([\w.]+)(?=:)/.exec(message)?.[1] ?? '');
  const named = { fill: 'mode', windows: 'train', rows: '', tick: 'price_tick', from: 'from' }[text];
  if (named !== undefined) return named;
  if (text.startsWith('space.')) return `params.${text.slice(6)}`;
  return text.startsWith('settings.') ? text.slice(9) : text;
}
