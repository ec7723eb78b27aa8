import { texts } from '../../core/texts.js';

export const t = texts({
  en: {
    book: 'Book', valid: 'valid', invalid: 'not known: {cause}', seq: 'at {seq}', age: 'nothing new for {time}', none: 'No level has come yet',
    full: 'Whole book', step: 'Step', each: 'each price', side: 'Side', price: 'Price', quantity: 'Quantity',
    bid: 'bid', ask: 'ask', spread: 'Spread {spread} · bids {imbalance} of what is shown',
    depth: 'Depth of the book, {count} levels from {low} to {high}',
  },
  zh: {
    book: '盘口', valid: '有效', invalid: '无效：{cause}', seq: '序号 {seq}', age: '已 {time} 无更新', none: '尚未收到盘口',
    full: '完整盘口', step: '档位', each: '逐价', side: '方向', price: '价格', quantity: '数量',
    bid: '买', ask: '卖', spread: '价差 {spread} · 买方占 {imbalance}',
    depth: '盘口深度，共 {count} 档，{low} 至 {high}',
  },
});
