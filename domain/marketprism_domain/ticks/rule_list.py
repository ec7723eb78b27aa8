"""Which validation rules there are: a row each, with its bounds and what it does, and which of them go together."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Literal, NamedTuple

Unit = Literal["seconds", "percent", "points", "times", "deviations", "ticks"]


class RuleRow(NamedTuple):
    """A rule: `lowest` and `highest` are allowed, `whole` numbers only where it says so; `en` and `zh` say in one
    sentence what it does."""

    name: str
    lowest: float
    highest: float
    unit: Unit
    en: str
    zh: str
    whole: bool = False


class RuleOrder(NamedTuple):
    """Rules whose values stand in an order."""

    names: tuple[str, ...]
    sign: Literal["<", "<="]

    @property
    def text(self) -> str:
        """As a person writes it, `z_low < z_medium`."""
        return f" {self.sign} ".join(self.names)

    def holds(self, values: Mapping[str, float]) -> bool:
        """Whether values by name are in the order."""
        found = [values[name] for name in self.names]
        return all(low < high if self.sign == "<" else low <= high for low, high in itertools.pairwise(found))


RULES: tuple[RuleRow, ...] = (
    RuleRow(
        "stale_s",
        0.001,
        86_400,
        "seconds",
        "A tick whose event time is further than this from its arrival is stale: published, and left out of bars.",
        "行情的事件时间与接收时间相差超过此值即为过期：照常发布，但不计入 K 线。",
    ),
    RuleRow(
        "futures_band_percent",
        0.1,
        100,
        "percent",
        "A price of a future further than this from the settlement before is rejected where a venue sends no limits.",
        "交易所未给出涨跌停价时，期货价格偏离昨结算价超过此百分比即被拒绝。",
    ),
    RuleRow(
        "option_band_percent",
        0.1,
        10_000,
        "percent",
        "A price of an option further than this from the settlement before is rejected where a venue sends no limits.",
        "交易所未给出涨跌停价时，期权价格偏离昨结算价超过此百分比即被拒绝。",
    ),
    RuleRow(
        "error_weight",
        0,
        100,
        "points",
        "What each error takes from a tick's score of 100.",
        "每个错误从 100 分的质量分中扣除的分数。",
        whole=True,
    ),
    RuleRow(
        "warning_weight",
        0,
        100,
        "points",
        "What each warning takes from a tick's score of 100.",
        "每个警告从 100 分的质量分中扣除的分数。",
        whole=True,
    ),
    RuleRow(
        "silence_min_s",
        1,
        86_400,
        "seconds",
        "A stream is silent after this time without a tick at the earliest.",
        "数据流至少在这段时间没有行情后，才算中断。",
    ),
    RuleRow(
        "silence_factor",
        1,
        100_000,
        "times",
        "A stream is silent after so many of its usual pauses without a tick.",
        "没有行情的时间超过其通常间隔的这个倍数，才算中断。",
    ),
    RuleRow(
        "z_low",
        0.5,
        100,
        "deviations",
        "A price move beyond so many standard deviations is an anomaly of low severity.",
        "价格变动超过这么多个标准差，为轻度异常。",
    ),
    RuleRow(
        "z_medium",
        0.5,
        100,
        "deviations",
        "A price move beyond so many standard deviations is an anomaly of medium severity.",
        "价格变动超过这么多个标准差，为中度异常。",
    ),
    RuleRow(
        "z_high",
        0.5,
        100,
        "deviations",
        "A price move beyond so many standard deviations is an anomaly of high severity.",
        "价格变动超过这么多个标准差，为高度异常。",
    ),
    RuleRow(
        "z_critical",
        0.5,
        100,
        "deviations",
        "A price move beyond so many standard deviations is an anomaly of critical severity.",
        "价格变动超过这么多个标准差，为严重异常。",
    ),
    RuleRow(
        "jump_percent",
        0.01,
        1_000,
        "percent",
        "A price that differs from the one before by more is an anomaly; a tenth of it is the least that any move has.",
        "价格与前一笔相差超过此百分比为异常；不足其十分之一的变动不算异常。",
    ),
    RuleRow(
        "burst_factor",
        1,
        1_000_000,
        "times",
        "A tick that trades more than so many times the usual volume is an anomaly.",
        "单笔成交量超过通常的这个倍数，为异常。",
    ),
    RuleRow(
        "spread_factor",
        1,
        1_000_000,
        "times",
        "A spread of more than so many times the usual one is an anomaly.",
        "买卖价差超过通常的这个倍数，为异常。",
    ),
    RuleRow(
        "warm_up_ticks",
        2,
        1_000_000,
        "ticks",
        "Price moves that an instrument needs before it is known what is usual of it.",
        "合约先要有这么多次价格变动，才知道什么是它的通常水平。",
        whole=True,
    ),
    RuleRow(
        "quality_window_s",
        1,
        86_400,
        "seconds",
        "A report of a stream's quality covers so long.",
        "一份数据质量报告覆盖的时长。",
    ),
    RuleRow(
        "degraded_below",
        0,
        100,
        "points",
        "A stream is degraded when a report's score falls below this.",
        "质量报告的分数低于此值，数据流即为降级。",
        whole=True,
    ),
    RuleRow(
        "restored_at",
        0,
        100,
        "points",
        "A degraded stream is restored when a report's score reaches this.",
        "降级的数据流在质量报告的分数达到此值时恢复。",
        whole=True,
    ),
    RuleRow(
        "clock_off_s",
        0.5,
        86_400,
        "seconds",
        "A receive clock that differs from the venue's by more is off; it is right again below half of that.",
        "接收时钟与交易所时钟相差超过此值即为不准；回到一半以内为恢复。",
    ),
)
BY_VENUE = RuleRow(
    "stale_s_by_venue",
    0.001,
    86_400,
    "seconds",
    "Venues that have a `stale_s` of their own.",
    "单独设定 `stale_s` 的交易所。",
)
ORDERS = (
    RuleOrder(("z_low", "z_medium", "z_high", "z_critical"), "<"),
    RuleOrder(("degraded_below", "restored_at"), "<="),
)

__all__ = ["BY_VENUE", "ORDERS", "RULES", "RuleOrder", "RuleRow"]
