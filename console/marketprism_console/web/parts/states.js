/** The states of anything that is waited for: loading, empty, failed, forbidden, stale. The same on all pages. */
import { html, nothing } from '../vendor/lit.js';
import { clock } from '../core/time.js';
import { t } from './text.js';

/** A grey shape that appears when loading takes a moment. @param {number} [lines] */
export function loading(lines = 3) {
  return html`<div class="loading" role="status">
    <span class="unseen">${t('loading')}</span>
    ${Array.from({ length: lines }, () => html`<i></i>`)}
  </div>`;
}

/**
 * Nothing is there: why, and what to do.
 * @param {unknown} title
 * @param {unknown} [more]
 */
export function empty(title, more = nothing) {
  return html`<div class="empty"><p><strong>${title}</strong></p>${more}</div>`;
}

/**
 * What went wrong, in the server's words, with the number of the request.
 * @param {import('../core/api.js').ApiError} error
 * @param {() => void} [retry]
 */
export function failed(error, retry) {
  if (error.status === 403) {
    const scope = String(error.details?.scope ?? /expected ([\w:]+)/.exec(error.message)?.[1] ?? '');
    return html`<div class="failed" role="alert">
      <p><strong>${t('forbidden')}</strong></p>
      <p>${scope ? t('forbidden_more', { scope }) : error.message}</p>
    </div>`;
  }
  return html`<div class="failed" role="alert">
    <p><strong>${t('failed')}</strong> <code>${error.code}</code></p>
    <p>${error.code === 'UNREACHABLE' ? t('unreachable') : error.message}</p>
    ${error.requestId ? html`<p class="dim">${t('request', { id: error.requestId })}</p>` : nothing}
    ${retry ? html`<button type="button" @click=${retry}>${t('retry')}</button>` : nothing}
  </div>`;
}

/**
 * What is known of a resource now.
 * @template T
 * @param {import('../core/resource.js').Resource<T>} resource
 * @param {(data: T) => unknown} ready  how it is shown
 * @param {{empty?: (data: T) => unknown, none?: () => unknown, lines?: number}} [options]  `empty` gives what is shown
 *   instead of nothing, `none` what is instead of a list that has no rows
 */
export function shown(resource, ready, options = {}) {
  const { data, error, at, loading: isLoading } = resource.known.value;
  if (data === undefined) {
    if (error) return failed(error, () => resource.load());
    return isLoading || Number.isNaN(at) ? loading(options.lines) : nothing;
  }
  const instead = options.none && Array.isArray(data) && !data.length ? options.none() : options.empty?.(data);
  const body = instead ?? ready(data);
  if (!error) return body;
  const why = error.code === 'UNREACHABLE' ? t('unreachable') : error.message;
  return html`<p class="stale-note" role="status">${t('older', { time: clock(at), why })}</p>
    <div class="stale">${body}</div>`;
}
