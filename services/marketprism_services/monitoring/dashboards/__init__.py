"""Grafana's dashboards: seven, each a table of panels."""

from __future__ import annotations

from marketprism_services.monitoring.dashboards.flow import FEEDS, OVERVIEW, PIPELINE
from marketprism_services.monitoring.dashboards.machine import BROKER, ELECTIONS, RUNTIME
from marketprism_services.monitoring.dashboards.panel import Dashboard
from marketprism_services.monitoring.dashboards.reading import STORAGE
from marketprism_services.monitoring.prometheus import GENERATED, USUAL
from marketprism_services.monitoring.yaml_text import Value, yaml_of

DASHBOARDS: tuple[Dashboard, ...] = (OVERVIEW, PIPELINE, FEEDS, STORAGE, BROKER, ELECTIONS, RUNTIME)


def data_source(prometheus: str) -> str:
    """Where Grafana finds Prometheus, which listens at `host:port`."""
    source: dict[str, Value] = {
        "apiVersion": 1,
        "datasources": [
            {
                "name": "Prometheus",
                "uid": "marketprism",
                "type": "prometheus",
                "access": "proxy",
                "url": f"http://{prometheus}",
                "isDefault": True,
                "jsonData": {"timeInterval": "5s", "httpMethod": "POST"},
            }
        ],
    }
    return yaml_of(source, GENERATED)


def files() -> dict[str, str]:
    """Text by path below `deploy/grafana/`."""
    provider: dict[str, Value] = {
        "apiVersion": 1,
        "providers": [
            {
                "name": "marketprism",
                "type": "file",
                "folder": "MarketPrism",
                "allowUiUpdates": False,
                "options": {"path": "/etc/grafana/dashboards/marketprism"},
            }
        ],
    }
    return {
        "provisioning/datasources/marketprism.yml": data_source(USUAL.prometheus),
        "provisioning/dashboards/marketprism.yml": yaml_of(provider, GENERATED),
        **{f"dashboards/{board.uid}.json": board.as_json() for board in DASHBOARDS},
    }


__all__ = ["DASHBOARDS", "data_source", "files"]
