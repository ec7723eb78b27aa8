import { texts } from '../../core/texts.js';

export const t = texts({
  en: {
    title: 'About',
    what: 'MarketPrism: real-time market data, checked, kept and shown.',
    api: 'The API behind this page',
    libraries: 'Libraries in this page',
    library: 'Library', version: 'Version', licence: 'Licence',
    tradingview: 'The charts are made with TradingView Lightweight Charts™, copyright TradingView, Inc.',
  },
  zh: {
    title: '关于',
    what: 'MarketPrism：实时行情的接入、校验、存储与展示。',
    api: '本页面所用的接口',
    libraries: '本页面使用的库',
    library: '库', version: '版本', licence: '许可证',
    tradingview: '图表由 TradingView Lightweight Charts™ 绘制，版权归 TradingView, Inc. 所有。',
  },
});
