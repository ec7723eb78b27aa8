/**
 * The arguments of a command, from its JSON Schema: one field each, what is typed made into values, and what is wrong
 * with it, before anything is sent. What the page cannot ask for field by field is asked for as JSON.
 */

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {'text' | 'integer' | 'number' | 'flag' | 'choice' | 'list' | 'json'} kind
 * @property {boolean} isNeeded
 * @property {boolean} isNullable
 * @property {unknown} preset  what the service takes where nothing is said
 * @property {string} description
 * @property {string[]} choices
 * @property {any} rules  the schema of its value
 */

/** What is wrong with a text: a key of the page's words, and what they say. @typedef {{key: string, values: Record<string, string | number>}} Problem */

/** @param {any} schema @param {any} root @returns {any} */
function resolved(schema, root, depth = 0) {
  const name = typeof schema?.$ref === 'string' ? /^#\/\$defs\/(.+)$/.exec(schema.$ref)?.[1] : undefined;
  if (!name || depth > 8) return schema ?? {};
  return { ...resolved(root.$defs?.[name] ?? {}, root, depth + 1), ...schema, $ref: undefined };
}

/** @param {any} schema  of the arguments @returns {Field[]} */
export function fieldsOf(schema) {
  const top = resolved(schema, schema ?? {});
  const needed = new Set(top.required ?? []);
  return Object.entries(top.properties ?? {}).map(([name, given]) => {
    const own = resolved(given, schema);
    const all = (own.anyOf ?? own.oneOf ?? [own]).map((/** @type {any} */ each) => resolved(each, schema));
    const options = all.filter((/** @type {any} */ each) => each.type !== 'null');
    const rules = options.length === 1 ? options[0] : {};
    const choices = [...(rules.enum ?? (rules.const !== undefined ? [rules.const] : []))].map(String);
    return {
      name, choices, rules,
      kind: choices.length ? 'choice' : kindOf(rules),
      isNeeded: needed.has(name),
      isNullable: options.length < all.length,
      preset: own.default,
      description: String(own.description ?? rules.description ?? '').trim().split('\n\n')[0],
    };
  });
}

/** @param {any} rules @returns {Field['kind']} */
function kindOf(rules) {
  if (rules.type === 'string') return 'text';
  if (rules.type === 'integer' || rules.type === 'number') return rules.type;
  if (rules.type === 'boolean') return 'flag';
  return rules.type === 'array' && rules.items?.type === 'string' ? 'list' : 'json';
}

/** What stands in a field at first. @param {Field} field */
export function presetText({ kind, preset }) {
  if (preset === null || preset === undefined) return '';
  if (kind === 'list') return Array.isArray(preset) ? preset.join('\n') : '';
  return kind === 'json' ? JSON.stringify(preset) : String(preset);
}

/** The instruments or words of a list. @param {string} text */
function listOf(text) {
  return text.split(/[\n,，;；]/).map((each) => each.trim()).filter(Boolean);
}

/**
 * The value that a text stands for; undefined where it is left out.
 * @param {Field} field @param {string} text
 * @returns {{value?: unknown, problem?: Problem}}
 */
function valueOf(field, text) {
  const { kind, isNeeded, rules } = field;
  const trimmed = text.trim();
  if (kind === 'flag') return { value: trimmed === 'true' };
  if (!trimmed && kind !== 'text') return isNeeded ? { problem: { key: 'needed', values: {} } } : {};
  if (!trimmed) return isNeeded ? { problem: { key: 'needed', values: {} } } : text === presetText(field) || field.isNullable ? {} : { value: '' };
  if (kind === 'integer' || kind === 'number') return numberOf(kind, trimmed, rules);
  if (kind === 'list') return checkedList(listOf(text), rules);
  if (kind === 'json') return jsonOf(trimmed, rules);
  if (kind === 'choice') {
    const found = (rules.enum ?? [rules.const]).find((/** @type {unknown} */ each) => String(each) === trimmed);
    return found === undefined ? { problem: { key: 'one_of', values: { choices: field.choices.join(', ') } } } : { value: found };
  }
  return textOf(trimmed, rules);
}

/** @param {'integer' | 'number'} kind @param {string} text @param {any} rules @returns {{value?: unknown, problem?: Problem}} */
function numberOf(kind, text, rules) {
  const value = Number(text);
  if (!/^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text) || !Number.isFinite(value)) return { problem: { key: 'number', values: {} } };
  if (kind === 'integer' && !Number.isSafeInteger(value)) return { problem: { key: 'integer', values: {} } };
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below, multipleOf: step } = rules;
  if (minimum !== undefined && value < minimum) return { problem: { key: 'at_least', values: { limit: minimum } } };
  if (maximum !== undefined && value > maximum) return { problem: { key: 'at_most', values: { limit: maximum } } };
  if (above !== undefined && value <= above) return { problem: { key: 'above', values: { limit: above } } };
  if (below !== undefined && value >= below) return { problem: { key: 'below', values: { limit: below } } };
  if (step && Math.abs(value / step - Math.round(value / step)) > 1e-9) return { problem: { key: 'step', values: { step } } };
  return { value };
}

/** @param {string} text @param {any} rules @returns {{value?: unknown, problem?: Problem}} */
function textOf(text, rules) {
  const { minLength = 0, maxLength = Infinity, pattern } = rules;
  if (text.length < minLength) return { problem: { key: 'longer', values: { limit: minLength } } };
  if (text.length > maxLength) return { problem: { key: 'shorter', values: { limit: maxLength } } };
  if (pattern && !fits(pattern, text)) return { problem: { key: 'pattern', values: { pattern } } };
  return { value: text };
}

/** A pattern that this browser cannot read is the server's to check. @param {string} pattern @param {string} text */
function fits(pattern, text) {
  try {
    return new RegExp(pattern, 'u').test(text);
  } catch {
    return true;
  }
}

/** @param {string[]} value @param {any} rules @returns {{value?: unknown, problem?: Problem}} */
function checkedList(value, rules) {
  const { minItems = 0, maxItems = Infinity } = rules;
  if (value.length < minItems) return { problem: { key: 'more_items', values: { limit: minItems } } };
  if (value.length > maxItems) return { problem: { key: 'fewer_items', values: { limit: maxItems } } };
  for (const each of value) {
    const { problem } = textOf(each, rules.items ?? {});
    if (problem) return { problem };
  }
  return { value };
}

/** @param {string} text @param {any} rules @returns {{value?: unknown, problem?: Problem}} */
function jsonOf(text, rules) {
  /** @type {unknown} */
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: { key: 'json', values: {} } };
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (rules.type === 'object' && !isObject) return { problem: { key: 'object', values: {} } };
  if (rules.type === 'array' && !Array.isArray(value)) return { problem: { key: 'array', values: {} } };
  return { value };
}

/**
 * All values of a form, or what is wrong with each.
 * @param {Field[]} fields @param {Record<string, string>} typed
 * @returns {{values: Record<string, unknown>, problems: Record<string, Problem>}}
 */
export function valuesOf(fields, typed) {
  /** @type {Record<string, unknown>} */
  const values = {};
  /** @type {Record<string, Problem>} */
  const problems = {};
  for (const field of fields) {
    const { value, problem } = valueOf(field, typed[field.name] ?? presetText(field));
    if (problem) problems[field.name] = problem;
    else if (value !== undefined) values[field.name] = value;
  }
  return { values, problems };
}
