import { texts } from '../core/texts.js';

export const t = texts({
  en: {
    chart: '{symbol}, {interval} candles. Last {close}, {count} bars, {gaps} gaps in view.',
    nothing: '{symbol}, {interval} candles: none yet.',
    open: 'Open', high: 'High', low: 'Low', close: 'Close', volume: 'Volume', turnover: 'Turnover', interest: 'Open interest',
    ticks: 'Ticks', time: 'Time', day: 'Trading day', gap: 'Gap', revision: 'Revision',
    is_gap: 'data missing', is_forming: 'forming',
    gap_line: 'Missing: {cause}, {from} – {to} ({length})',
    table: 'Bars of {symbol}, {interval}, newest first. Times: {zone}.',
    newest: 'To the newest',
    vwap: 'VWAP',
  },
  zh: {
    chart: '{symbol} {interval} K线。最新 {close}，共 {count} 根，视图内缺口 {gaps} 处。',
    nothing: '{symbol} {interval} K线：暂无数据。',
    open: '开', high: '高', low: '低', close: '收', volume: '成交量', turnover: '成交额', interest: '持仓量',
    ticks: '笔数', time: '时间', day: '交易日', gap: '缺口', revision: '修订',
    is_gap: '数据缺失', is_forming: '未收盘',
    gap_line: '缺失：{cause}，{from} – {to}（{length}）',
    table: '{symbol} {interval} K线，按时间倒序。时间：{zone}。',
    newest: '回到最新',
    vwap: 'VWAP',
  },
});
