import { texts } from '../../core/texts.js';

export const t = texts({
  en: { download: 'Download what is shown', as: '{format} ↓' },
  zh: { download: '下载当前显示的数据', as: '{format} ↓' },
});
