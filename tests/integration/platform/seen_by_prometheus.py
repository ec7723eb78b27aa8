"""What a real Prometheus sees of a pipeline: every rule and panel is evaluated, and what is empty has a reason."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from marketprism_adapters.nats.local_server import choose_port
from marketprism_adapters.prometheus.local_server import PROMETHEUS, LocalMonitoringServer
from marketprism_services.monitoring.alerts import ALERTS
from marketprism_services.monitoring.dashboards import DASHBOARDS
from marketprism_services.monitoring.expressions import selectors_of
from marketprism_services.monitoring.objectives import OBJECTIVES
from tests.support.pipeline import NAMES, Pipeline
from tests.support.prometheus import tools, write_rules

# What a healthy simulated market does not have. Each: a pattern of names, and why.
EMPTY = (
    (
        r"source_(books?|streams|connections|connects|losses|renewals|requests|event_delay|frames|repeats)\w*",
        "of live venues",
    ),
    (r"source_(holes|instruments|clock_skew|trades|ticks_dropped|messages_skipped)\w*", "of live venues"),
    (r"cache_(hits|misses)_total", "nobody asks for bars"),
    (r"(backup|restore_drill)_\w+", "there is no place for backups"),
    (r"log_lines_total", "tests log errors alone"),
    (r"source_(expected|quiet_seconds|queue_deepest)", "of live sources: the simulated day is a recording of its own"),
    (
        r"(frames_refused|capture_\w+|gaps|gap_seconds|input_cuts|out_of_chain\w*|stream_truncated)_total",
        "nothing is missing",
    ),
    (
        r"(archive_verify_failures|dead_rows|store_retries|streams_made_anew|store_refills|rpc_errors|query_failures)_total",
        "nothing fails",
    ),
    (r"(events_dropped|event_publish_failures|command_failures|metric_series_refused)_total", "nothing fails"),
    (r"(bars_revised|bars_gapped|market_events)_total", "no gap, nothing is late"),
    (r"bar_delay_seconds_\w+", "its bars close at the times of the simulated day"),
    (r"quality_score_\w+", "a window takes a minute"),
    (r"(clock_offset_seconds|source_clock_skew_seconds)", "a clock settles after minutes"),
    (r"http_(certificate\w*|connections\w+)", "no TLS, no limits reached"),
    (r"oidc_failures_total", "no OpenID provider"),
    (r"(trace_spans|log_records)\w*", "no collector"),
    (r"backend_breaker_changes_total", "nobody falls out"),
    (r"ticks_rejected", "nothing is rejected"),
    (r"pipeline_problem", "there is none"),
    (r"data_(rows|tasks)_total", "no data job is begun"),
    (r"schedule_(runs|retries|lateness|run_seconds|last_success)\w*", "no job is due within the test"),
)
_EMPTY = [re.compile(rf"marketprism_{pattern}") for pattern, _ in EMPTY]


def _may_be_empty(name: str) -> bool:
    """`ALERTS` is not: the switch fires. What is recorded is empty where what it is made of is."""
    if name.startswith("slo:"):
        (objective,) = (each for each in OBJECTIVES if name.split(":")[1] == each.name)
        return any(_may_be_empty(each.name) for each in selectors_of(objective.total))
    return any(pattern.fullmatch(name) for pattern in _EMPTY)


def _panels() -> Iterator[tuple[str, str]]:
    for board in DASHBOARDS:
        for panel in board.panels:
            for expr, _ in panel.queries:
                yield f"{board.title}: {panel.title}", expr.replace("$__rate_interval", "30s").replace("$service", ".*")


class Asked:
    """Prometheus' HTTP API."""

    def __init__(self, http: aiohttp.ClientSession, base: str) -> None:
        self._http = http
        self._base = base

    async def get(self, path: str, **params: str) -> Any:
        async with self._http.get(f"{self._base}/api/v1/{path}", params=params) as answer:
            told = await answer.json()
            assert told["status"] == "success", (params, told)
            return told["data"]

    async def query(self, expr: str) -> list[Any]:
        found: list[Any] = (await self.get("query", query=expr))["result"]
        return found


def _scrape(pipeline: Pipeline, folder: Path) -> Path:
    """The product's own file, with the address of this pipeline's monitor, and everything by the second."""
    file = folder / "prometheus.yml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    for job in document["scrape_configs"]:
        for discovery in job.get("http_sd_configs", ()):
            discovery |= {
                "url": f"http://127.0.0.1:{pipeline.services['monitor'].http.port}/sd",
                "refresh_interval": "1s",
            }
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    records = folder / "rules/objectives.yml"
    records.write_text(
        records.read_text(encoding="utf-8").replace('interval: "30s"', 'interval: "1s"'), encoding="utf-8"
    )
    return file


async def check_every_rule_and_panel(pipeline: Pipeline, folder: Path) -> None:
    """Every rule and every panel is answered by a Prometheus that scrapes this pipeline."""
    tools()
    file = _scrape(pipeline, write_rules(folder / "rules"))
    server = await LocalMonitoringServer.start(PROMETHEUS, folder / "server", file, choose_port(0))
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(90):
            await _look(Asked(http, server.url), http, pipeline)
    finally:
        await server.stop()


async def _use(http: aiohttp.ClientSession, pipeline: Pipeline) -> None:
    """Somebody asks, so that there are questions and requests to be seen."""
    url = f"http://127.0.0.1:{pipeline.services['api'].http.port}/api/v1"
    for path in ("system", "instruments"):
        async with http.get(f"{url}/{path}") as answer:
            await answer.read()


async def _look(asked: Asked, http: aiohttp.ClientSession, pipeline: Pipeline) -> None:
    while len(await asked.query('up{job=~"marketprism.*"} == 1')) < len(NAMES):
        await asyncio.sleep(0.2)
    panels, until = list(_panels()), time.monotonic() + 40
    while True:  # counters appear one by one, and a rate wants two of each
        await _use(http, pipeline)
        found = await asyncio.gather(*(asked.query(expr) for _, expr in panels))
        missing = [
            f"{where}: {expr}"
            for (where, expr), result in zip(panels, found, strict=True)
            if not result and not any(_may_be_empty(each.name) for each in selectors_of(expr))
        ]
        if not missing or time.monotonic() > until:
            break
        await asyncio.sleep(0.5)
    assert not missing, "\n".join(missing)
    await _rules(asked)
    await _operands(asked)


async def _rules(asked: Asked) -> None:
    """Every rule was evaluated without an error, every summary is text, and the switch fires."""
    groups = (await asked.get("rules"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"] for rule in rules} >= {alert.name for alert in ALERTS}
    assert {rule["name"] for rule in rules} >= {name for objective in OBJECTIVES for name, _ in objective.records()}
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule.get("lastError")] == []
    alerts = (await asked.get("alerts"))["alerts"]
    assert [alert["annotations"]["summary"] for alert in alerts if "<error" in str(alert["annotations"])] == []
    firing = {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}
    assert "DeadMansSwitch" in firing
    assert [
        name for name in firing if name.startswith(("NoLeader", "TwoLeaders", "PartitionUnowned", "InstanceDown"))
    ] == []


async def _operands(asked: Asked) -> None:
    """What alerts and objectives read is there; their comparisons are empty while all is well."""
    texts = [alert.expr for alert in ALERTS] + [expr for each in OBJECTIVES for expr in (each.errors, each.total)]
    names = sorted({each.name for text in texts for each in selectors_of(text)})
    empty = [name for name in names if not _may_be_empty(name)]
    async with asyncio.timeout(60):  # a scrape that came too late has no series for a moment
        while empty:
            found = await asyncio.gather(*(asked.query(f"count({name})") for name in empty))
            empty = [name for name, result in zip(empty, found, strict=True) if not result]
            await asyncio.sleep(0.5 if empty else 0.0)


__all__ = ["check_every_rule_and_panel"]
