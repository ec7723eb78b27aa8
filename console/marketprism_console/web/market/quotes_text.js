import { texts } from '../core/texts.js';

export const t = texts({
  en: {
    symbol: 'Symbol', name: 'Name', venue: 'Venue', class: 'Class', expiry: 'Last trading day',
    last: 'Last', change: 'Change', volume: 'Volume', interest: 'Open interest', time: 'Time of the last tick',
    watch_list: 'Watch list', watch: 'Keep {name} on the watch list', no_data: 'no data yet',
  },
  zh: {
    symbol: '代码', name: '名称', venue: '交易所', class: '类别', expiry: '最后交易日',
    last: '最新价', change: '涨跌', volume: '成交量', interest: '持仓量', time: '最新行情时间',
    watch_list: '自选', watch: '将 {name} 加入自选', no_data: '暂无数据',
  },
});
