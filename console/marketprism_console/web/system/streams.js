/** What a stream holds in detail, its messages, and buckets of keys and values. */
import { ask } from '../core/api.js';
import { expectOffered } from '../parts/offered.js';

/** @typedef {{subject: string, messages: number}} SubjectRow */
/** @typedef {{subjects: SubjectRow[], subjectCount: number, consumers: Record<string, any>[]}} StreamDetail */
/**
 * A message of a stream, or an entry of a bucket: `data` where it is decoded, else how its bytes begin and what was expected.
 * @typedef {object} Stored
 * @property {number | string | null} ts
 * @property {number} bytes
 * @property {string} kind
 * @property {any} [data]
 * @property {string} [hex]
 * @property {string} [expected]
 */
/** @typedef {Stored & {seq: number, subject: string}} StoredMessage */
/** @typedef {{messages: StoredMessage[], after_seq: number | null, first_seq: number, last_seq: number, more: boolean}} MessagePage */
/** @typedef {{bucket: string, entries: number, bytes: number, ttl_s: number | null, ts_last: number | null}} BucketRow */
/** @typedef {Stored & {key: string, revision: number}} BucketEntry */
/** @typedef {{entries: BucketEntry[], count: number, more: boolean}} BucketPage */

const STREAM = '/system/streams/{name}';
const BUCKETS = '/system/buckets';

/** @param {string} name */
const pathOf = (name) => `/system/streams/${encodeURIComponent(name)}`;

/** @param {string} name @param {{signal?: AbortSignal}} [options] @returns {Promise<StreamDetail>} */
export async function readStream(name, options = {}) {
  await expectOffered(STREAM);
  const { data } = await ask(pathOf(name), {}, options);
  return { subjects: data.top_subjects ?? [], subjectCount: data.subject_count ?? 0, consumers: data.consumers ?? [] };
}

/**
 * @param {string} name
 * @param {{subject?: string, after_seq?: number, from?: string, limit?: number}} asked  without a place to begin at the newest
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<MessagePage>}
 */
export async function readMessages(name, asked, options = {}) {
  await expectOffered(`${STREAM}/messages`);
  return (await ask(`${pathOf(name)}/messages`, asked, options)).data;
}

/** @param {{signal?: AbortSignal}} [options] @returns {Promise<BucketRow[]>} */
export async function readBuckets(options = {}) {
  await expectOffered(BUCKETS);
  return (await ask(BUCKETS, {}, options)).data;
}

/** @param {string} name @param {{keys?: string, limit?: number}} asked @param {{signal?: AbortSignal}} [options] @returns {Promise<BucketPage>} */
export async function readBucket(name, asked, options = {}) {
  await expectOffered(`${BUCKETS}/{name}`);
  return (await ask(`${BUCKETS}/${encodeURIComponent(name)}`, asked, options)).data;
}

/** What is stored as text to be read and copied. @param {Stored} stored */
export function textOf({ data, hex }) {
  if (data === undefined || data === null) return hex ?? '';
  return typeof data === 'string' ? data : JSON.stringify(data, null, 1);
}
