/** Words of the market's own fields: phases, verdicts, sides, reasons. */
import { names } from '../../core/texts.js';

export const word = names({
  en: {
    auction: 'call auction', continuous: 'continuous trading', section_end: 'end of a section', break: 'break', closed: 'closed',
    valid: 'valid', warned: 'with warnings', stale: 'late', rejected: 'rejected',
    buy: 'buy', sell: 'sell',
    none_yet: 'none yet', sequence: 'updates are missing', disconnected: 'connection lost', crossed: 'bid and ask cross',
    checksum: 'its checksum is wrong', audit: 'it differs from the venue’s', invalid: 'said by the venue',
    malformed: 'a message that makes no sense', depth: 'the market has left what was known of it', unsubscribed: 'it is not followed',
  },
  zh: {
    auction: '集合竞价', continuous: '连续交易', section_end: '小节结束', break: '小节休息', closed: '已收盘',
    valid: '有效', warned: '有警告', stale: '迟到', rejected: '已拒绝',
    buy: '买', sell: '卖',
    none_yet: '尚无', sequence: '更新缺失', disconnected: '连接中断', crossed: '买卖价交叉',
    checksum: '校验和错误', audit: '与交易所不一致', invalid: '交易所告知无效', malformed: '消息格式有误', depth: '价格已超出已知档位', unsubscribed: '未订阅',
  },
});
