/** Names of statistics and sums; one that is not here speaks for itself. */
import { names } from '../../core/texts.js';

export const statName = names({
  en: {
    state: 'State', orders: 'Orders', fills: 'Fills', lots: 'Lots', gross: 'Gross', fees: 'Fees', funding: 'Funding', net: 'Net',
    gap_exposure: 'Gap exposure', run_id: 'Run id',
    trading_days: 'Trading days', total_return: 'Total return', annual_return: 'Annual return', volatility: 'Volatility', sharpe: 'Sharpe',
    sortino: 'Sortino', sharpe_log: 'Sharpe of log returns', calmar: 'Calmar',
    max_drawdown: 'Deepest drawdown', max_drawdown_money: 'Deepest drawdown, money', longest_drawdown_days: 'Longest drawdown, days', ulcer: 'Ulcer index',
    max_drawdown_intraday: 'Deepest drawdown within days', tail_ratio: 'Tail ratio', var_5: 'VaR 5 %', cvar_5: 'CVaR 5 %', omega: 'Omega',
    skew: 'Skewness', kurtosis: 'Kurtosis',
    profit_factor_days: 'Profit factor of days', win_rate_days: 'Winning days', best_day: 'Best day', worst_day: 'Worst day', stability: 'Stability',
    round_trips: 'Round trips',
    win_rate: 'Winning trades', payoff: 'Payoff', profit_factor: 'Profit factor', expectancy: 'Expectancy', sqn: 'SQN',
    mean_holding_hours: 'Mean holding, hours',
    turnover: 'Turnover', turnover_a_day: 'Turnover a day, of capital', fees_share: 'Fees, share of turnover', mean_day_money: 'Mean day, money',
  },
  zh: {
    state: '状态', orders: '委托数', fills: '成交数', lots: '手数', gross: '毛利', fees: '手续费', funding: '资金费', net: '净利润', gap_exposure: '缺口敞口', run_id: '结果编号',
    trading_days: '交易日', total_return: '总收益率', annual_return: '年化收益率', volatility: '波动率', sharpe: '夏普', sortino: '索提诺', sharpe_log: '对数收益夏普', calmar: '卡玛',
    max_drawdown: '最大回撤', max_drawdown_money: '最大回撤金额', longest_drawdown_days: '最长回撤日数', ulcer: '溃疡指数',
    max_drawdown_intraday: '日内最大回撤', tail_ratio: '尾部比率', var_5: 'VaR 5 %', cvar_5: 'CVaR 5 %', omega: '欧米伽', skew: '偏度', kurtosis: '峰度',
    profit_factor_days: '日盈亏比', win_rate_days: '盈利日占比', best_day: '最好的一日', worst_day: '最差的一日', stability: '稳定度', round_trips: '完整交易',
    win_rate: '胜率', payoff: '盈亏比', profit_factor: '盈利因子', expectancy: '期望', sqn: 'SQN', mean_holding_hours: '平均持仓小时',
    turnover: '成交额', turnover_a_day: '日均成交额/资金', fees_share: '手续费占成交额', mean_day_money: '日均盈亏',
  },
});
