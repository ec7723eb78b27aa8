/** What a person has chosen for all pages: kept in this browser, in force at once. */
import { recall, remember } from './remembered.js';
import { Signal } from './signal.js';

/**
 * @typedef {object} Preferences
 * @property {'en' | 'zh'} language
 * @property {'system' | 'light' | 'dark'} theme
 * @property {'exchange' | 'utc' | 'local'} zone  of every time on every page
 * @property {'language' | 'red-up' | 'green-up'} colours  of rising prices; Chinese screens show them red
 */

const KEY = 'marketprism.preferences';
/** @type {{[K in keyof Preferences]: readonly Preferences[K][]}} */
const CHOICES = {
  language: ['en', 'zh'],
  theme: ['system', 'light', 'dark'],
  zone: ['exchange', 'utc', 'local'],
  colours: ['language', 'red-up', 'green-up'],
};

/** @returns {Preferences} */
function remembered() {
  /** @type {Preferences} */
  const found = {
    language: navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en',
    theme: 'system',
    zone: 'exchange',
    colours: 'language',
  };
  /** @type {Record<string, unknown>} */
  const kept = recall(() => localStorage, KEY) ?? {};
  for (const [name, choices] of Object.entries(CHOICES)) {
    if (/** @type {readonly unknown[]} */ (choices).includes(kept[name])) Object.assign(found, { [name]: kept[name] });
  }
  return found;
}

/** @type {Signal<Preferences>} */
export const preferences = new Signal(remembered());

/** @param {Partial<Preferences>} changes */
export function prefer(changes) {
  preferences.value = { ...preferences.value, ...changes };
  remember(() => localStorage, KEY, preferences.value);
}

/**
 * The choice after the one in force.
 * @template {keyof Preferences} K
 * @param {K} name
 * @returns {Preferences[K]}
 */
export function nextOf(name) {
  const choices = CHOICES[name];
  return choices[(choices.indexOf(preferences.value[name]) + 1) % choices.length];
}

const dark = matchMedia('(prefers-color-scheme: dark)');

/** Whether rising prices are red. */
export function redIsUp() {
  const { colours, language } = preferences.value;
  return colours === 'red-up' || (colours === 'language' && language === 'zh');
}

/** The theme that is shown now: 'light' or 'dark'. @type {Signal<'light' | 'dark'>} */
export const theme = new Signal(/** @type {'light' | 'dark'} */ ('dark'));

function apply() {
  const chosen = preferences.value;
  const root = document.documentElement;
  const shown = chosen.theme === 'system' ? (dark.matches ? 'dark' : 'light') : chosen.theme;
  root.lang = chosen.language === 'zh' ? 'zh-CN' : 'en';
  root.dataset.theme = shown;
  root.dataset.up = redIsUp() ? 'red' : 'green';
  theme.value = shown;
}

preferences.subscribe(apply);
dark.addEventListener('change', apply);
apply();
