import { texts } from '../core/texts.js';

export const t = texts({
  en: {
    filters: 'Filters', filter: 'Only', add: 'Add filter',
    remove: 'Remove the filter {label}: {value}',
    clear: 'Remove all filters',
    only: 'Only {label}: {value}',
  },
  zh: {
    filters: '筛选', filter: '仅看', add: '添加筛选',
    remove: '移除筛选 {label}：{value}',
    clear: '清除全部筛选',
    only: '仅看 {label}：{value}',
  },
});
