import { texts } from '../core/texts.js';

export const t = texts({
  en: {
    title: 'Search instruments, pages and commands',
    hint: 'rb2605, 螺纹, lw, BTC, market …',
    none: 'Nothing is called like this',
    change_language: 'Change the language',
    change_theme: 'Change the theme',
    change_zone: 'Change the time zone',
    change_colours: 'Change the colour of rising prices',
  },
  zh: {
    title: '搜索合约、页面与命令',
    hint: 'rb2605、螺纹、lw、BTC、行情……',
    none: '没有匹配的结果',
    change_language: '切换语言',
    change_theme: '切换主题',
    change_zone: '切换时区',
    change_colours: '切换涨跌颜色',
  },
});
