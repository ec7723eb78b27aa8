"""What an alert is: when it fires, how urgent it is, what a person does then, and two scenes that prove it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from marketprism_application.contracts.alert_records import Severity

SAMPLE_S = 15  # between the samples of a scene


@dataclass(frozen=True, slots=True)
class Scene:
    """Series, a sample every 15 s in promtool's notation, and how many alerts fire at `at` (`90s`, `5m`, `2h`)."""

    series: Mapping[str, str]
    at: str
    firing: int = 1


@dataclass(frozen=True, slots=True)
class Runbook:
    """`means` is what is the matter for users, `look` where to find out why, `act` what mends it."""

    means: str
    look: tuple[str, ...]
    act: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule. `expr` is PromQL of Prometheus 2.42, `lasts` its `for`; `summary` and `description` are templates.

    `needs_broker`: it follows from a broker that is away, and is mute while that is so. Two alerts of one name differ
    in their severity: the page mutes the ticket.
    """

    name: str
    severity: Severity
    expr: str
    lasts: str
    summary: str
    runbook: Runbook
    scenes: tuple[Scene, ...]
    area: str = "process"
    needs_broker: bool = False
    labels: Mapping[str, str] | None = None

    @property
    def page(self) -> str:
        """Its runbook, below `docs/runbooks/`: `stage-lag.md`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", self.name).lower() + ".md"


def risen(name: str, window: str = "10m", by: str = "") -> str:
    """A counter that rose in a window, also one that appeared with its first count; `by` are labels to sum by."""
    rose = f"increase({name}[{window}]) > 0"
    appeared = f"{name} > 0 unless {name} offset {window}"
    found = f"({rose} or ({appeared}))"
    return f"sum by ({by}) {found}" if by else found


def rising(name: str, labels: str) -> tuple[Scene, Scene, Scene]:
    """Scenes of `risen`: it rises, it appears, it stands still."""
    series = f"{name}{{{labels}}}"
    return (
        Scene({series: "0x8 1x40"}, "3m"),
        Scene({series: "_x8 1x40"}, "3m"),
        Scene({series: "7x120"}, "20m", 0),
    )


__all__ = ["SAMPLE_S", "Alert", "Runbook", "Scene", "Severity", "risen", "rising"]
