/** Names of the pages. */
import { names } from '../core/texts.js';

export const pageName = names({
  en: {
    market: 'Market',
    contracts: 'Contracts',
    crypto: 'Crypto',
    data: 'Data',
    quality: 'Quality',
    system: 'System',
    streams: 'Streams',
    'dead-letters': 'Dead letters',
    commands: 'Commands',
    jobs: 'Jobs',
    events: 'Events',
    rules: 'Rules',
    access: 'Access',
    me: 'My account',
    about: 'About',
  },
  zh: {
    market: '行情',
    contracts: '主力合约',
    crypto: '加密货币',
    data: '数据',
    quality: '质量',
    system: '系统',
    streams: '流',
    'dead-letters': '死信',
    commands: '指令',
    jobs: '定时任务',
    events: '事件',
    rules: '校验规则',
    access: '访问控制',
    me: '我的账户',
    about: '关于',
  },
});
