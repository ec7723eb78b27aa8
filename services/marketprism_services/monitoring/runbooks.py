"""Runbooks, a page an alert, and the list of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from marketprism_services.monitoring.alert import Alert
from marketprism_services.monitoring.alerts import ALERTS
from marketprism_services.monitoring.objectives import BURN_ALERTS
from marketprism_services.monitoring.steps import STEPS

HEADINGS = ("When it fires", "What it means", "What to look at", "What to do", "When it is over")


_INTRODUCTION = (
    "A page for each alert. `page` wakes somebody, `ticket` is for the working day, `info` for who looks. Words like\n"
    "`$SERVICE` in commands are to be given. What is done by plan stands in [operate](operate/README.md)."
)


def _row(alert: Alert) -> str:
    mute = "; mute while no instance has NATS" if alert.needs_broker else ""
    return f"- **{alert.severity.value}**, for {alert.lasts}{mute}:\n\n  ```promql\n  {alert.expr}\n  ```"


def _listed(lines: Sequence[str], commands: Sequence[str]) -> str:
    listed = "\n".join(f"- {line}" for line in lines)
    typed = "\n".join(commands)
    return f"{listed}\n\n```sh\n{typed}\n```"


def _page(alerts: Sequence[Alert]) -> str:
    first, steps = alerts[0], STEPS[alerts[0].name]
    bodies = (
        "\n".join(_row(alert) for alert in alerts),
        first.runbook.means,
        _listed(first.runbook.look, steps.look),
        _listed(first.runbook.act, steps.act),
        f"{steps.over} The alert ends by itself, and those who were told are told so.",
    )
    sections = "\n\n".join(f"## {heading}\n\n{body}" for heading, body in zip(HEADINGS, bodies, strict=True))
    return f"# {first.name}\n\n{sections}\n\n[All alerts](README.md) · [Monitoring](../monitoring.md)\n"


def _by_name() -> dict[str, list[Alert]]:
    found: dict[str, list[Alert]] = {}
    for alert in (*ALERTS, *BURN_ALERTS):
        found.setdefault(alert.name, []).append(alert)
    return found


def _index() -> str:
    parts = [f"# Runbooks\n\n{_INTRODUCTION}\n"]
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
