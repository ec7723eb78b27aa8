"""Service level objectives: what part of everything may be bad, and how fast that part is used up.

For each there are the ratio of the bad over seven windows (`slo:<name>:error_ratio_rate5m` and so on), and four alerts
of two windows each: the long one says that it matters, the short one that it still goes on (the multi-window burn rates
of Google's SRE workbook, chapter 5). Long windows are averages of the recorded rates of 5 minutes: they cost 1/60.

A window of which less is known than it is long counts as that part of it: two bad seconds of the first two minutes have
not used up what six hours may.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from marketprism_services.monitoring.alert import Alert, Runbook, Scene, Severity

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
RECORD_S = 30  # between two recorded ratios
_UNITS = {"m": 60, "h": 3_600, "d": 86_400}
PERIOD_DAYS = 28


class Burn(NamedTuple):
    """`factor` times the rate that uses up exactly everything in the period."""

    factor: float
    short: str
    long: str
    severity: Severity
    lasts: str


BURNS = (
    Burn(14.4, "5m", "1h", Severity.PAGE, "30s"),
    Burn(6, "30m", "6h", Severity.PAGE, "1m"),
    Burn(3, "2h", "1d", Severity.TICKET, "5m"),
    Burn(1, "6h", "3d", Severity.TICKET, "5m"),
)


@dataclass(frozen=True, slots=True)
class Objective:
    """`errors` and `total` are PromQL over 5 minutes; `target` the share that is to be good.

    `scene`: series by which the ratio of errors is `ratio`, for the test.
    """

    name: str
    target: float
    what: str
    errors: str
    total: str
    runbook: Runbook
    scene: dict[str, str]
    ratio: float

    @property
    def alert(self) -> str:
        """The name of its alerts: `SloTickFreshness`."""
        return "Slo" + "".join(part.capitalize() for part in self.name.split("_"))

    def ratio_of(self, window: str) -> str:
        """The recorded ratio over a window."""
        return f"slo:{self.name}:error_ratio_rate{window}"

    def records(self) -> Iterator[tuple[str, str]]:
        """Name and expression of each recording rule, in the order in which they are to be evaluated."""
        errors, total = f"slo:{self.name}:errors_rate5m", f"slo:{self.name}:total_rate5m"
        yield errors, self.errors
        yield total, self.total
        yield self.ratio_of("5m"), f"{errors} / ({total} > 0)"
        for window in WINDOWS[1:]:
            mean = f"avg_over_time({total}[{window}])"
            ratio = f"avg_over_time({errors}[{window}]) / ({mean} > 0)"
            yield self.ratio_of(window), f"{ratio} * {self.known_of(window)}"

    def known_of(self, window: str) -> str:
        """The part of a window that is known, 0 to 1."""
        most = int(window[:-1]) * _UNITS[window[-1]] // RECORD_S
        return f"clamp_max(count_over_time(slo:{self.name}:total_rate5m[{window}]) / {most}, 1)"

    def alerts(self) -> Iterator[Alert]:
        """Its alerts, one for each burn rate."""
        budget = 1 - self.target
        for burn in BURNS:
            most, short, long = burn.factor * budget, self.ratio_of(burn.short), self.ratio_of(burn.long)
            yield Alert(
                self.alert,
                burn.severity,
                f"{short} > {most:.6g} and {long} > {most:.6g}",
                burn.lasts,
                f"{self.what}: {{{{ $value | humanizePercentage }}}} are not, the objective is {self.target:.4%}",
                self.runbook,
                (
                    Scene({short: f"{most * 1.5:.6g}x60", long: f"{most * 1.5:.6g}x60"}, "8m"),
                    Scene({short: f"{most * 0.6:.6g}x60", long: f"{most * 0.6:.6g}x60"}, "8m", 0),
                    Scene({short: f"{most * 1.5:.6g}x60", long: f"{most * 0.6:.6g}x60"}, "8m", 0),
                    Scene({short: f"{most * 0.6:.6g}x60", long: f"{most * 1.5:.6g}x60"}, "8m", 0),
                ),
                "slo",
                needs_broker=True,
                labels={"objective": self.name, "burn": f"{burn.factor:g}", "windows": f"{burn.short} {burn.long}"},
            )


def _slower(name: str, bound: str, more: str = "") -> tuple[str, str]:
    """Of a histogram, what took longer than a bound, and everything."""
    count = f"sum(rate({name}_count{{{more}}}[5m]))" if more else f"sum(rate({name}_count[5m]))"
    both = f'{more},le="{bound}"' if more else f'le="{bound}"'
    return f"{count} - sum(rate({name}_bucket{{{both}}}[5m]))", count


_DELAY, _BAR, _HTTP = (
    _slower("marketprism_validation_delay_seconds", "0.1"),
    _slower("marketprism_bar_delay_seconds", "5.0"),
    _slower("marketprism_http_request_seconds", "0.1"),
)
_LAG = "max by (stream) (marketprism_store_lag_seconds)"
_CALLS = "marketprism_http_requests_total"

OBJECTIVES = (
    Objective(
        "tick_freshness",
        0.999,
        "Messages of ticks are validated within 100 ms of the gateway's publishing",
        *_DELAY,
        Runbook(
            "Ticks reach their readers late.",
            ("Dashboard Pipeline: delay, lag, commits of the stage. StageLag and LoopStalled name causes.",),
            ("Give validators or nats-server a core or a faster disk; start another validator.",),
        ),
        {
            'marketprism_validation_delay_seconds_bucket{service="validator",le="0.1"}': "0+80x100",
            'marketprism_validation_delay_seconds_count{service="validator"}': "0+100x100",
        },
        0.2,
    ),
    Objective(
        "bar_freshness",
        0.999,
        "Bars are published within 5 s of their close",
        *_BAR,
        Runbook(
            "Bars come late.",
            ("Dashboard Pipeline: delay of bars by interval, lag of the aggregator.",),
            ("As for StageLag of the aggregator.",),
        ),
        {
            'marketprism_bar_delay_seconds_bucket{service="aggregator",interval="1m",le="5.0"}': "0+9x100",
            'marketprism_bar_delay_seconds_count{service="aggregator",interval="1m"}': "0+10x100",
        },
        0.1,
    ),
    Objective(
        "completeness",
        0.999,
        "Bars have no known gap in their window",
        "sum(rate(marketprism_bars_gapped_total[5m])) or 0 * sum(rate(marketprism_bars_total[5m]))",
        "sum(rate(marketprism_bars_total[5m]))",
        Runbook(
            "Bars are made over windows in which data are known to be missing.",
            ("Console page Quality and `marketprism gaps`: sources, causes. GapRateHigh, FeedSilentInSession.",),
            ("Mend the source; fill gaps from the venue's history or a capture: bars are revised by themselves.",),
        ),
        {
            'marketprism_bars_gapped_total{service="aggregator",interval="1m"}': "0+1x100",
            'marketprism_bars_total{service="aggregator",interval="1m"}': "0+20x100",
        },
        0.05,
    ),
    Objective(
        "feeds_in_session",
        0.9995,
        "Sources bring data while their session runs",
        "count((marketprism_source_quiet_seconds > 10) and (marketprism_source_expected == 1))"
        " or 0 * count(marketprism_source_expected == 1)",
        "count(marketprism_source_expected == 1)",
        Runbook(
            "Sources are silent while their instruments trade.",
            ("Dashboard Feeds: which, since when. FeedSilentInSession, FeedUnreachable.",),
            ("As for FeedSilentInSession.",),
        ),
        {
            'marketprism_source_quiet_seconds{instance="gateway-1"}': "100x100",
            'marketprism_source_quiet_seconds{instance="gateway-2"}': "1x100",
            'marketprism_source_expected{instance="gateway-1"}': "1x100",
            'marketprism_source_expected{instance="gateway-2"}': "1x100",
        },
        0.5,
    ),
    Objective(
        "leadership",
        0.9995,
        "Every lease has its holder",
        'count(max by (where) (marketprism_pipeline_problem{kind="leaderless"}) > 0)'
        " or 0 * count(max by (lease) (marketprism_lease_held))",
        "count(max by (lease) (marketprism_lease_held))",
        Runbook(
            "Parts of the pipeline were without a leader for too long in sum.",
            ("Dashboard Elections and shards: when, which, how long each takeover took.",),
            ("As for NoLeader, LeaderFlapping, TakeoverSlow.",),
        ),
        {
            'marketprism_pipeline_problem{kind="leaderless",stage="leader",where="gateway.sim"}': "1x100",
            'marketprism_lease_held{lease="gateway.sim"}': "0x100",
            'marketprism_lease_held{lease="storage.default"}': "1x100",
        },
        0.5,
    ),
    Objective(
        "rows_stored",
        0.999,
        "Streams are stored within 10 s",
        f"count({_LAG} > 10) or 0 * count({_LAG})",
        f"count({_LAG})",
        Runbook(
            "What is stored lags behind what is published.",
            ("Dashboard Storage and query. StoreBehind, StoreDown name causes.",),
            ("As for StoreBehind.",),
        ),
        {
            'marketprism_store_lag_seconds{stream="MARKET_TICKS"}': "20x100",
            'marketprism_store_lag_seconds{stream="MARKET_BARS"}': "2x100",
        },
        0.5,
    ),
    Objective(
        "api_latency",
        0.995,
        "Requests are answered within 100 ms",
        *_HTTP,
        Runbook(
            "The API answers slowly.",
            ("Dashboard Storage and query: time by route and by question; cache; disk of the store.",),
            ("The slow question: narrower ranges, export instead of pages. All of them: another instance of query.",),
        ),
        {
            'marketprism_http_request_seconds_bucket{service="api",route="bars",le="0.1"}': "0+7x100",
            'marketprism_http_request_seconds_count{service="api",route="bars"}': "0+10x100",
        },
        0.3,
    ),
    Objective(
        "api_availability",
        0.999,
        "Requests are answered without an error of ours",
        f'sum(rate({_CALLS}{{status=~"5.."}}[5m])) or 0 * sum(rate({_CALLS}[5m]))',
        f"sum(rate({_CALLS}[5m]))",
        Runbook(
            "The API answers with errors that are not the caller's.",
            ("Labels `route` and `status`; log of the API gateway by request id. QueriesFail, BackendBreakerOpen.",),
            ("Mend the service behind it; `marketprism status` names it.",),
        ),
        {
            f'{_CALLS}{{service="api",route="bars",status="500"}}': "0+1x100",
            f'{_CALLS}{{service="api",route="bars",status="200"}}': "0+9x100",
        },
        0.1,
    ),
)

BURN_ALERTS: tuple[Alert, ...] = tuple(alert for each in OBJECTIVES for alert in each.alerts())

__all__ = ["BURNS", "BURN_ALERTS", "OBJECTIVES", "PERIOD_DAYS", "RECORD_S", "WINDOWS", "Burn", "Objective"]
