import { texts } from '../../core/texts.js';

export const t = texts({
  en: {
    table: 'Newest first. Times in {zone}.',
    from: 'From', to: 'To', length: 'Length', cause: 'Cause', kind: 'Kind', day: 'Trading day', ticks: 'ticks',
    score: 'Score', accepted: 'Accepted', rejected: 'Rejected', warned: 'Warned', late: 'Late', reasons: 'Reasons',
    no_gaps: 'No gap is known of {symbol}', no_quality: 'No window of {symbol} is closed yet',
    no_terms: 'The venue has said no terms of {symbol}', no_raw: 'No tick of {symbol} is stored',
  },
  zh: {
    table: '按时间倒序，时间为 {zone}。',
    from: '起', to: '止', length: '时长', cause: '原因', kind: '数据', day: '交易日', ticks: '行情',
    score: '评分', accepted: '接受', rejected: '拒绝', warned: '警告', late: '迟到', reasons: '原因',
    no_gaps: '{symbol} 没有已知缺口', no_quality: '{symbol} 尚无已完成的质量窗口',
    no_terms: '交易所未提供 {symbol} 的合约信息', no_raw: '{symbol} 尚无已存储的行情',
  },
});
