/** Commands that are known here: what each is called, and (with `_does`) what happens when it is given. */
import { names } from '../core/texts.js';

export const word = names({
  en: {
    InitializeGateway: 'Back to the schedule',
    InitializeGateway_does: 'The gateway forgets what it was ordered and does what its settings and the calendar say.',
    ConnectToMarketSource: 'Connect',
    ConnectToMarketSource_does: 'The gateway connects to its source now and stays connected, whatever the calendar says.',
    DisconnectFromMarketSource: 'Disconnect',
    DisconnectFromMarketSource_does: 'The gateway logs out and stays away: no market data comes in from it until somebody connects it again.',
    SubscribeInstrument: 'Subscribe',
    SubscribeInstrument_does: 'The gateway subscribes one instrument more; those that it has stay.',
    SubscribeAllInstruments: 'Subscribe everything',
    SubscribeAllInstruments_does: 'The gateway subscribes every instrument that its source lists.',
    UpdateSubscriptionList: 'Replace the subscriptions',
    UpdateSubscriptionList_does: 'The gateway subscribes these instruments and no others: data of every other one ends.',
    AdjustValidationRules: 'Change validation rules',
    AdjustValidationRules_does: 'Every validator checks ticks by the changed rules from now on.',
    gateway: 'Gateway group', reason: 'Reason', symbol: 'Symbol', venue: 'Venue', instruments: 'Instruments', changes: 'Changes',
  },
  zh: {
    InitializeGateway: '恢复按计划运行',
    InitializeGateway_does: '网关忽略之前的指令，按设置和交易日历运行。',
    ConnectToMarketSource: '连接',
    ConnectToMarketSource_does: '网关立即连接行情源并保持连接，不受交易日历限制。',
    DisconnectFromMarketSource: '断开',
    DisconnectFromMarketSource_does: '网关登出并保持断开：在重新连接之前不再接收行情。',
    SubscribeInstrument: '订阅',
    SubscribeInstrument_does: '网关增加订阅一个合约，已订阅的不变。',
    SubscribeAllInstruments: '订阅全部合约',
    SubscribeAllInstruments_does: '网关订阅行情源列出的全部合约。',
    UpdateSubscriptionList: '替换订阅列表',
    UpdateSubscriptionList_does: '网关只订阅这些合约：其他合约的行情将停止。',
    AdjustValidationRules: '修改校验规则',
    AdjustValidationRules_does: '所有校验实例从现在起按修改后的规则校验 tick。',
    gateway: '网关组', reason: '原因', symbol: '代码', venue: '交易所', instruments: '合约', changes: '变更',
  },
});
