/** Causes of gaps, as the ledger has them. */
import { names } from '../core/texts.js';

export const causeName = names({
  en: {
    silence: 'silence', disconnected: 'connection lost', restart: 'restart', sequence: 'sequence',
    recording_end: 'end of the recording', reported: 'reported by the venue',
    missing_trades: 'missing trades', truncated: 'let go before it was stored',
    joined: 'joined late', interrupted: 'source interrupted', excluded: 'left out, its time is not believed',
    venue_missing: 'the venue does not have it',
  },
  zh: {
    silence: '静默', disconnected: '连接中断', restart: '重启', sequence: '序号不连续',
    recording_end: '录制结束', reported: '交易所通告',
    missing_trades: '成交缺失', truncated: '入库前已被清除',
    joined: '开盘后才接入', interrupted: '行情源中断', excluded: '时间不可信，已剔除',
    venue_missing: '交易所没有该数据',
  },
});
