import { texts } from '../core/texts.js';

export const t = texts({
  en: {
    chart: '{symbol}, {interval} candles. Last {close}, {count} bars, {gaps} gaps in view.',
    nothing: '{symbol}, {interval} candles: none yet.',
    open: 'Open', high: 'High', low: 'Low', close: 'Close', volume: 'Volume', turnover: 'Turnover', interest: 'Open interest',
    ticks: 'Ticks', time: 'Time', day: 'Trading day', gap: 'Gap', revision: 'Revision',
    is_gap: 'data missing', is_forming: 'forming',
    gap_line: 'Missing: {cause}, {from} – {to} ({length})',
    cause_silence: 'silence', cause_disconnected: 'connection lost', cause_restart: 'restart', cause_sequence: 'sequence',
    cause_recording_end: 'end of the recording', cause_reported: 'reported by the venue',
    cause_missing_trades: 'missing trades', cause_truncated: 'let go before it was stored',
    cause_joined: 'joined late', cause_interrupted: 'source interrupted', cause_excluded: 'left out, its time is not believed',
    table: 'Bars of {symbol}, {interval}, newest first. Times: {zone}.',
    newest: 'To the newest',
    vwap: 'VWAP', average: 'MA {length}',
  },
  zh: {
    chart: '{symbol} {interval} K线。最新 {close}，共 {count} 根，视图内缺口 {gaps} 处。',
    nothing: '{symbol} {interval} K线：暂无数据。',
    open: '开', high: '高', low: '低', close: '收', volume: '成交量', turnover: '成交额', interest: '持仓量',
    ticks: '笔数', time: '时间', day: '交易日', gap: '缺口', revision: '修订',
    is_gap: '数据缺失', is_forming: '未收盘',
    gap_line: '缺失：{cause}，{from} – {to}（{length}）',
    cause_silence: '静默', cause_disconnected: '连接中断', cause_restart: '重启', cause_sequence: '序号不连续',
    cause_recording_end: '录制结束', cause_reported: '交易所通告',
    cause_missing_trades: '成交缺失', cause_truncated: '入库前已被清除',
    cause_joined: '开盘后才接入', cause_interrupted: '行情源中断', cause_excluded: '时间不可信，已剔除',
    table: '{symbol} {interval} K线，按时间倒序。时间：{zone}。',
    newest: '回到最新',
    vwap: 'VWAP', average: 'MA {length}',
  },
});

const CAUSES = new Set([
  'silence', 'disconnected', 'restart', 'sequence', 'recording_end', 'reported', 'missing_trades', 'truncated', 'joined',
  'interrupted', 'excluded',
]);

/** @param {string} cause of a gap, as the ledger has it */
export function causeName(cause) {
  return CAUSES.has(cause) ? t(/** @type {any} */ (`cause_${cause}`)) : cause;
}
