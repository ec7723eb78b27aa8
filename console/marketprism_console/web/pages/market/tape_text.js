import { texts } from '../../core/texts.js';

export const t = texts({
  en: {
    title: 'Tape, newest first', pause: 'Pause', go_on: 'Go on', least: 'At least', zone: 'Times in {zone}', none: 'Nothing has traded yet',
    time: 'Time', price: 'Price', quantity: 'Quantity', side: 'Side', interest: 'Interest ±', kind: 'Kind', verdict: 'Verdict',
    skipped: '{count} ticks came too fast to be shown', off_book: 'off the book', liquidation: 'liquidation',
  },
  zh: {
    title: '逐笔明细，按时间倒序', pause: '暂停', go_on: '继续', least: '最小数量', zone: '时间为 {zone}', none: '尚无成交',
    time: '时间', price: '价格', quantity: '数量', side: '方向', interest: '增仓', kind: '类型', verdict: '校验',
    skipped: '{count} 笔行情过快，未逐一显示', off_book: '场外', liquidation: '强平',
  },
});
