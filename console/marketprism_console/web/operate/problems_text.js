/** What is wrong with a field that a schema describes, by the keys of `schema.js`, and the words of the search beside it. */
import { names } from '../core/texts.js';

export const problemText = names({
  en: {
    needed: 'This is needed',
    number: 'Expected a number', integer: 'Expected a whole number', at_least: 'Expected at least {limit}', at_most: 'Expected at most {limit}',
    above: 'Expected more than {limit}', below: 'Expected less than {limit}', step: 'Expected a multiple of {step}',
    longer: 'Expected at least {limit} characters', shorter: 'Expected at most {limit} characters', pattern: 'Expected a text like {pattern}',
    more_items: 'Expected at least {limit} of them', fewer_items: 'Expected at most {limit} of them', one_of: 'Expected one of {choices}',
    json: 'Expected JSON, like {"name": 1}', object: 'Expected a JSON object', array: 'Expected a JSON array',
    find: 'Find an instrument', none_found: 'None is called like that',
    no_search: 'The search is not there; type the symbol itself.',
  },
  zh: {
    needed: '必填',
    number: '应为数字', integer: '应为整数', at_least: '应不小于 {limit}', at_most: '应不大于 {limit}',
    above: '应大于 {limit}', below: '应小于 {limit}', step: '应为 {step} 的倍数',
    longer: '至少 {limit} 个字符', shorter: '最多 {limit} 个字符', pattern: '格式应为 {pattern}',
    more_items: '至少 {limit} 个', fewer_items: '最多 {limit} 个', one_of: '应为其中之一：{choices}',
    json: '应为 JSON，例如 {"name": 1}', object: '应为 JSON 对象', array: '应为 JSON 数组',
    find: '查找合约', none_found: '没有这样的合约',
    no_search: '搜索不可用，请直接输入代码。',
  },
});
