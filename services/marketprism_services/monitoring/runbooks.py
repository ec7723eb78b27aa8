"""Runbooks, a page an alert, and the list of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from marketprism_services.monitoring.alert import Alert
from marketprism_services.monitoring.alerts import ALERTS
from marketprism_services.monitoring.objectives import BURN_ALERTS

HEADINGS = ("When it fires", "What it means", "What to look at", "What to do")


def _row(alert: Alert) -> str:
    mute = "; mute while no instance has NATS" if alert.needs_broker else ""
    return f"- **{alert.severity.value}**, for {alert.lasts}{mute}:\n\n  ```promql\n  {alert.expr}\n  ```"


def _page(alerts: Sequence[Alert]) -> str:
    first = alerts[0]
    bodies = (
        "\n".join(_row(alert) for alert in alerts),
        first.runbook.means,
        "\n".join(f"- {line}" for line in first.runbook.look),
        "\n".join(f"- {line}" for line in first.runbook.act),
    )
    sections = "\n\n".join(f"## {heading}\n\n{body}" for heading, body in zip(HEADINGS, bodies, strict=True))
    return f"# {first.name}\n\n{sections}\n\n[All alerts](README.md) · [Monitoring](../monitoring.md)\n"


def _by_name() -> dict[str, list[Alert]]:
    found: dict[str, list[Alert]] = {}
    for alert in (*ALERTS, *BURN_ALERTS):
        found.setdefault(alert.name, []).append(alert)
    return found


def _index() -> str:
    parts = [
        "# Runbooks\n\nA page for each alert. `page` wakes somebody, `ticket` is for the working day, `info` for who looks.\n"
    ]
    for area, names in groupby(_by_name().values(), key=lambda alerts: alerts[0].area):
        parts.append(f"## {area.capitalize()}\n\n| Alert | Severity | What it means |\n| --- | --- | --- |")
        for alerts in names:
            first = alerts[0]
            severities = ", ".join(dict.fromkeys(alert.severity.value for alert in alerts))
            parts.append(f"| [{first.name}]({first.page}) | {severities} | {first.runbook.means} |")
        parts.append("")
    return "\n".join(parts).rstrip("\n") + "\n"


def files() -> dict[str, str]:
    """Text by path below `docs/runbooks/`."""
    return {"README.md": _index(), **{alerts[0].page: _page(alerts) for alerts in _by_name().values()}}


__all__ = ["HEADINGS", "files"]
