import { names, texts } from '../../../core/texts.js';

export const t = texts({
  en: {
    times_in: 'Times in {zone}', all: 'all', all_jobs: 'All jobs', jobs: 'Jobs', job: 'Job', no_jobs: 'No job yet', newest: 'Newest jobs',
    action: 'What', state: 'State', aim: 'Asked for', progress: 'Progress', rows: 'Rows', requests: 'Requests', left: 'Left', begun: 'Asked',
    by: 'By', took: 'Took',
    waits: 'Waited for the venue', series: 'Series', one_series: 'Series', range: 'Range', done_of: '{done} of {all} done, {failed} failed',
    first_of: 'The first {count} of {all} are shown', cancel: 'Cancel the job', ask_cancel: 'Cancel the job: {action}?',
    cancel_what: 'What is not done is given up within seconds. What is stored stays.', needs: 'This needs the permission “{scope}”.',
    check_form: 'Stored series are held against what must be there. Nothing is changed.',
    download_form: 'History of a crypto venue, or of its archive, into the store. Only what is missing is fetched, within the venue’s limits.',
    import_form: 'A file below the import folder of the service. It is read first, and stored when you have seen what it is taken for.',
    new_check: 'New check', new_download: 'New download', new_import: 'New import', start_check: 'Check', start_download: 'Download',
    start_import: 'Read the file', more: 'More',
    venue: 'Venue', symbols: 'Instruments', pattern: 'Or a pattern', kind: 'Kind of data', interval: 'Interval', from: 'From', to: 'To',
    witnesses: 'Held against', dense: 'A minute without a bar', confirm: 'More than ten years of minutes are meant', mode: 'What is fetched',
    source: 'From where',
    path: 'File', symbol: 'Instrument', mapping: 'Columns', contract_size: 'Size of a contract',
    replace: 'What differs becomes the next revision', simulated: 'The rows are simulated',
    report: 'Report', report_of: 'Report of {series}', as_file: 'As a file', score: 'Score', grade: 'Grade', expected: 'Expected', present: 'There',
    missing: 'Missing', empty: 'Without a trade',
    unexpected: 'Unexpected', duplicate: 'Doubled', sparse: 'minutes may be empty', clean: 'Nothing is wrong', defects: 'Defects', notices: 'Notices',
    verdicts: 'Verdicts',
    checks_ran: 'Checks that ran: {ran} of {all}', ran: 'Ran', by_code: 'Defects by kind', rows_of: '{count} rows',
    defect: 'Defect', severity: 'Severity', verdict: 'Verdict', day: 'Trading day', count: 'Rows', evidence: 'Evidence',
    testimonies: 'Witnesses', testimony: 'asked {asked} times, has {has}, lacks {lacks}.', sample: 'Rows: {count}', line: 'line {row}',
    recheck: 'Ask witnesses', recheck_again: 'Ask witnesses again', plan_repair: 'Plan a repair', not_over: 'The job is not over.',
    recheck_what: 'Witnesses are the venue, its archive, trades and ticks. What they have is ours to mend; a plan changes nothing yet.',
    plan: 'Plan', repair: 'Repair', to_check: 'The check', nothing_to_repair: 'Nothing can be repaired',
    nothing_to_repair_more: 'No witness has rows that are missing or differ here.',
    plan_cost: 'Series {series}, ranges {ranges}, bars {bars}: requests {requests}, at least {time}.',
    plan_only: 'This was a dry run. Nothing has been fetched or changed.',
    ask_repair: 'Repair now?', repair_now: 'Repair now',
    repair_what: 'Each changed bar becomes a new revision; what was stored before can still be asked for. A repair that makes nothing better is undone.',
    undone: 'The repair made nothing better and was undone', refused: 'The repair was refused',
    plan_of: 'Plan: ranges {ranges}, requests {requests}, at least {time}',
    bars: 'Bars', witness: 'Witness', nothing_planned: 'Nothing to repair in this series.', changes: 'Changed values',
    changes_of: '{shown} of {all} changed values. {zone}',
    bar: 'Bar', field: 'Field', value_before: 'Was', value_after: 'Is', ledger_entries: 'Entered into the gap ledger, since the venue does not have them:',
    before: 'Before', after: 'After', revised: 'New revisions {revisions}, new bars {inserted}.',
    file: 'File', mapping_guessed: 'Guessed by the names of the columns: look at it before you store it.', mapping_known: 'The format is known.',
    column: 'Column', not_taken: 'not taken',
    dry_run_over: 'The file was read: {rows} rows. Nothing has been stored.', import_now: 'Import now', ask_import: 'Import {path}?',
    import_what: 'Rows that are there already are left as they are.',
    change_form: 'Change', not_read: 'The file could not be read.',
  },
  zh: {
    times_in: '时间为 {zone}', all: '全部', all_jobs: '全部作业', jobs: '作业', job: '作业', no_jobs: '尚无作业', newest: '最近的作业',
    action: '类型', state: '状态', aim: '内容', progress: '进度', rows: '行数', requests: '请求数', left: '剩余', begun: '提交时间', by: '提交人', took: '耗时',
    waits: '等待交易所', series: '序列', one_series: '序列', range: '范围', done_of: '共 {all} 个，完成 {done}，失败 {failed}',
    first_of: '共 {all} 个，仅显示前 {count} 个', cancel: '取消作业', ask_cancel: '取消作业：{action}？',
    cancel_what: '未完成的部分将在数秒内放弃，已存储的保留。', needs: '此操作需要权限“{scope}”。',
    check_form: '将已存序列与应有数据对照，不做任何修改。',
    download_form: '把加密货币交易所或其归档的历史数据下载入库；在交易所限额内只取缺失部分。',
    import_form: '服务导入目录下的文件。先读取，确认识别结果后再入库。',
    new_check: '新建检查', new_download: '新建下载', new_import: '新建导入', start_check: '检查', start_download: '下载', start_import: '读取文件', more: '更多',
    venue: '交易所', symbols: '合约', pattern: '或匹配模式', kind: '数据种类', interval: '周期', from: '起', to: '止',
    witnesses: '对照', dense: '没有K线的分钟', confirm: '确实需要超过十年的分钟数据', mode: '下载范围', source: '来源',
    path: '文件', symbol: '合约', mapping: '列', contract_size: '合约乘数', replace: '不同的行存为新修订', simulated: '这些行是模拟数据',
    report: '报告', report_of: '{series} 的报告', as_file: '下载文件', score: '得分', grade: '等级', expected: '应有', present: '实有', missing: '缺失', empty: '无成交',
    unexpected: '多余', duplicate: '重复', sparse: '允许空白分钟', clean: '没有问题', defects: '缺陷', notices: '提示', verdicts: '判定',
    checks_ran: '已执行 {ran} 项检查，共 {all} 项', ran: '已执行', by_code: '按种类统计的缺陷', rows_of: '{count} 行',
    defect: '缺陷', severity: '严重程度', verdict: '判定', day: '交易日', count: '行数', evidence: '依据',
    testimonies: '证据来源', testimony: '询问 {asked} 次，有 {has}，无 {lacks}。', sample: '样本 {count} 行', line: '第 {row} 行',
    recheck: '向来源核对', recheck_again: '重新核对', plan_repair: '规划修复', not_over: '作业尚未结束。',
    recheck_what: '来源包括交易所接口、归档、成交和 tick。来源有而本地没有的属于我方缺陷，可以修复；规划不修改任何数据。',
    plan: '计划', repair: '修复', to_check: '对应的检查', nothing_to_repair: '没有可修复的内容', nothing_to_repair_more: '没有任何来源拥有此处缺失或不同的行。',
    plan_cost: '序列 {series} 个，区间 {ranges} 个，K线 {bars} 根：请求 {requests} 次，至少 {time}。', plan_only: '这是试运行，没有下载或修改任何数据。',
    ask_repair: '立即修复？', repair_now: '立即修复', repair_what: '每根修改的K线成为新修订，之前的内容仍可查询。没有改善的修复将被撤销。',
    undone: '修复没有改善，已撤销', refused: '修复被拒绝', plan_of: '计划：区间 {ranges} 个，请求 {requests} 次，至少 {time}',
    bars: 'K线', witness: '来源', nothing_planned: '该序列没有可修复的内容。', changes: '修改的值', changes_of: '共修改 {all} 个值，显示 {shown} 个。{zone}',
    bar: 'K线', field: '字段', value_before: '原值', value_after: '新值', ledger_entries: '因交易所没有这些数据，已记入缺口台账：',
    before: '修复前', after: '修复后', revised: '新修订 {revisions} 个，新增K线 {inserted} 根。',
    file: '文件', mapping_guessed: '按列名猜测，入库前请核对。', mapping_known: '格式已识别。', column: '列', not_taken: '不采用',
    dry_run_over: '文件已读取：{rows} 行，尚未入库。', import_now: '立即导入', ask_import: '导入 {path}？', import_what: '已存在的行保持不变。',
    change_form: '修改', not_read: '文件无法读取。',
  },
});

/** What can be chosen in a form. */
export const choiceName = names({
  en: {
    usual: 'as usual', bar: 'bars of the platform', kline: 'bars of the venue', trade: 'trades', funding_rate: 'funding rates',
    open_interest: 'open interest', daily: 'bars of days', ticks: 'ticks', product: 'other contracts of the product', true: 'is missing', false: 'had no trade',
    missing: 'only what is missing', all: 'everything once more', auto: 'whatever is faster', rest: 'the venue itself',
    archive: 'its archive',
  },
  zh: {
    usual: '默认', bar: '平台K线', kline: '交易所K线', trade: '逐笔成交', funding_rate: '资金费率', open_interest: '持仓量', daily: '日线', ticks: 'tick', product: '同品种其他合约',
    true: '视为缺失', false: '视为无成交', missing: '仅缺失部分', all: '全部重新下载', auto: '自动选择较快者', rest: '交易所接口', archive: '交易所归档',
  },
});

/** What stands below a field; of one that needs nothing, its name. */
export const hintOf = names({
  en: {
    symbols: 'Several with commas', pattern: 'Of all names of the venue, with * and ?', from: 'Days of the venue’s clocks: China, or UTC',
    to: 'This day too', path: 'Below the import folder', symbol: 'Where the file does not name it',
    mapping: 'field=column, one a line, where names are not recognised', contract_size: 'Where amounts are contracts',
  },
  zh: {
    symbols: '多个以逗号分隔', pattern: '匹配该交易所全部名称，可用 * 和 ?', from: '按交易所时间：中国时间或 UTC', to: '包含当日', path: '位于导入目录下', symbol: '文件未注明时填写',
    mapping: '无法识别列名时填写：字段=列，每行一个', contract_size: '数量以张计时填写',
  },
});

export const actionName = names({
  en: { download: 'Download', check: 'Check', recheck: 'Recheck', repair: 'Repair', import: 'Import', export: 'Export', daily: 'Daily check' },
  zh: { download: '下载', check: '检查', recheck: '核对', repair: '修复', import: '导入', export: '导出', daily: '每日检查' },
});

export const stageName = names({
  en: { planned: 'planned', running: 'running', waiting_for_venue: 'waiting for the venue', done: 'done', failed: 'failed', cancelled: 'cancelled' },
  zh: { planned: '排队中', running: '运行中', waiting_for_venue: '等待交易所', done: '完成', failed: '失败', cancelled: '已取消' },
});

/** How bad and how sure a defect is, and whose. */
export const verdictName = names({
  en: {
    ours: 'ours', venue: 'the venue’s', both: 'both', vanished: 'gone by now', unknown: 'not known',
    error: 'error', warning: 'warning', notice: 'notice', certain: 'certain', likely: 'likely', suspect: 'suspect',
  },
  zh: {
    ours: '我方', venue: '交易所', both: '双方', vanished: '已消失', unknown: '未知',
    error: '错误', warning: '警告', notice: '提示', certain: '确定', likely: '很可能', suspect: '可疑',
  },
});

export const codeName = names({
  en: {
    missing_bar: 'Missing bar', missing_range: 'Missing bars', unexpected_bar: 'Outside the sessions', wrong_zone: 'Wrong time zone',
    duplicate: 'Differing rows of one time',
    repeated: 'Repeated row', ohlc: 'Impossible prices', off_tick: 'Off the tick', off_step: 'Off the step', outside_limits: 'Beyond the limits',
    jump: 'Spike', leap: 'Leap',
    stale: 'Standing still', volume_mismatch: 'Not the day’s sum', kline_mismatch: 'Not the venue’s bar', trade_mismatch: 'Not its trades',
    missing_trades: 'Missing trades',
    vwap_outside: 'Average outside', checksum: 'Wrong checksum', time_unit: 'Wrong unit of time', gap_overlap: 'Gap not marked',
    gap_unknown: 'Marked without a gap',
    oi_negative: 'Negative open interest', funding_missing: 'Missing funding rate',
  },
  zh: {
    missing_bar: '缺少K线', missing_range: '缺少连续K线', unexpected_bar: '交易时段之外', wrong_zone: '时区错误', duplicate: '同一时间的不同行',
    repeated: '重复行', ohlc: '价格不合理', off_tick: '不在最小变动价位', off_step: '不在数量步长', outside_limits: '超出涨跌停', jump: '尖刺', leap: '跳变',
    stale: '停滞', volume_mismatch: '与日线不符', kline_mismatch: '与交易所K线不符', trade_mismatch: '与成交不符', missing_trades: '缺少成交',
    vwap_outside: '均价越界', checksum: '校验和错误', time_unit: '时间单位错误', gap_overlap: '未标记缺口', gap_unknown: '标记了不存在的缺口',
    oi_negative: '持仓量为负', funding_missing: '缺少资金费率',
  },
});
