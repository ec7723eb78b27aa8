"""Panels and dashboards as Grafana reads them; plain JSON, without a library of Grafana's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]

SCHEMA_VERSION = 39  # of Grafana 11; newer ones migrate it
COLUMNS = 24
_SOURCE: Mapping[str, Json] = {"type": "prometheus", "uid": "${datasource}"}


class Show(Enum):
    """How values are drawn."""

    LINES = "timeseries"
    NUMBER = "stat"
    BARS = "bargauge"
    HEAT = "heatmap"
    ROWS = "table"


@dataclass(frozen=True, slots=True)
class Panel:
    """One question. `queries` are PromQL and legend; `unit` one of Grafana's names; `description` says what to see."""

    title: str
    description: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    show: Show = Show.LINES
    width: int = 8
    height: int = 8
    worse_above: float | None = None

    def as_json(self, number: int, x: int, y: int) -> Mapping[str, Json]:
        """With its place: 24 columns, and rows from the top."""
        steps: list[Json] = [{"color": "green", "value": None}]
        if self.worse_above is not None:
            steps.append({"color": "red", "value": self.worse_above})
        return {
            "id": number,
            "type": self.show.value,
            "title": self.title,
            "description": self.description,
            "datasource": _SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {
                "defaults": {"unit": self.unit, "thresholds": {"mode": "absolute", "steps": steps}},
                "overrides": [],
            },
            "options": _OPTIONS[self.show],
            "targets": [self._target(index, expr, legend) for index, (expr, legend) in enumerate(self.queries)],
        }

    def _target(self, index: int, expr: str, legend: str) -> Mapping[str, Json]:
        formats = {Show.HEAT: "heatmap", Show.ROWS: "table"}
        return {
            "refId": chr(ord("A") + index),
            "datasource": _SOURCE,
            "expr": expr,
            "legendFormat": legend,
            "format": formats.get(self.show, "time_series"),
            "instant": self.show in (Show.ROWS, Show.BARS),
            "range": self.show not in (Show.ROWS, Show.BARS),
        }


_LAST: Mapping[str, Json] = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: Mapping[Show, Json] = {
    Show.LINES: {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    Show.NUMBER: {"reduceOptions": _LAST, "colorMode": "value", "graphMode": "area", "textMode": "auto"},
    Show.BARS: {"reduceOptions": _LAST, "orientation": "horizontal", "displayMode": "gradient"},
    Show.HEAT: {"calculate": False, "yAxis": {"unit": "s"}, "cellGap": 1},
    Show.ROWS: {"showHeader": True},
}


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Panels in order, from left to right; `uid` is its file and its address."""

    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    by_service: bool = False

    def as_json(self) -> str:
        """The text of its file."""
        placed: list[Json] = []
        x = y = tallest = 0
        for number, panel in enumerate(self.panels, 1):
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            placed.append(panel.as_json(number, x, y))
            x, tallest = x + panel.width, max(tallest, panel.height)
        variables: list[Json] = [
            {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}}
        ]
        if self.by_service:
            variables.append(_SERVICES)
        return json.dumps(self._document(placed, variables), indent=2, ensure_ascii=False) + "\n"

    def _document(self, panels: Sequence[Json], variables: Sequence[Json]) -> Mapping[str, Json]:
        return {
            "uid": f"marketprism-{self.uid}",
            "title": f"MarketPrism / {self.title}",
            "description": self.description,
            "tags": ["marketprism"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "browser",
            "links": [{"type": "dashboards", "tags": ["marketprism"], "title": "MarketPrism", "asDropdown": True}],
            "annotations": {"list": []},
            "templating": {"list": variables},
            "panels": panels,
        }


SERVICES_QUERY = "label_values(marketprism_service_info, service)"
_SERVICES: Mapping[str, Json] = {
    "name": "service",
    "label": "Service",
    "type": "query",
    "datasource": _SOURCE,
    "query": {"query": SERVICES_QUERY, "refId": "services"},
    "definition": SERVICES_QUERY,
    "includeAll": True,
    "multi": True,
    "allValue": ".*",
    "current": {"text": "All", "value": "$__all"},
    "refresh": 2,
}


def rate(name: str, by: str = "", where: str = "") -> str:
    """What a counter rises by a second, summed."""
    inner = f"rate({name}{where}[$__rate_interval])"
    return f"sum by ({by}) ({inner})" if by else f"sum({inner})"


def quantile(share: float, name: str, by: str = "") -> str:
    """A share of a histogram's values took no more."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({name}_bucket[$__rate_interval])))"


__all__ = ["COLUMNS", "SERVICES_QUERY", "Dashboard", "Json", "Panel", "Show", "quantile", "rate"]
