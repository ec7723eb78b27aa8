import { texts } from '../core/texts.js';

export const t = texts({
  en: {
    reason: 'Reason',
    reason_why: 'It stands in the audit log, beside your name.',
    outcomes: 'What became of it',
    working: 'It is being done…',
    done: 'Done', refused: 'Not done', waiting: 'Waiting',
  },
  zh: {
    reason: '原因',
    reason_why: '将与您的名字一起记入审计日志。',
    outcomes: '执行结果',
    working: '正在执行…',
    done: '完成', refused: '未完成', waiting: '等待中',
  },
});
