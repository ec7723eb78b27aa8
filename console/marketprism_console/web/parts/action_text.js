import { texts } from '../core/texts.js';

export const t = texts({
  en: {
    reason: 'Reason',
    reason_why: 'It stands in the audit log, beside your name.',
    outcomes: 'What became of it',
    done: 'Done', refused: 'Not done', waiting: 'Waiting',
    not_done: 'This was not done',
    unreachable: 'The server cannot be reached. Nothing is known of whether it was done.',
  },
  zh: {
    reason: '原因',
    reason_why: '将与您的名字一起记入审计日志。',
    outcomes: '执行结果',
    done: '已完成', refused: '未完成', waiting: '等待中',
    not_done: '未执行',
    unreachable: '无法连接服务器，尚不清楚是否已执行。',
  },
});
