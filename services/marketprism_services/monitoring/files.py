"""Every file that is made of these tables, by its path from the top of the repository."""

from __future__ import annotations

from marketprism_services.monitoring import alertmanager, dashboards, prometheus, runbooks


def files() -> dict[str, str]:
    """Text by path: what `make docs` writes and a test compares."""
    return {
        **{f"deploy/prometheus/{path}": text for path, text in prometheus.files().items()},
        "deploy/alertmanager/alertmanager.yml": alertmanager.configuration(),
        **{f"deploy/grafana/{path}": text for path, text in dashboards.files().items()},
        **{f"docs/runbooks/{path}": text for path, text in runbooks.files().items()},
    }


__all__ = ["files"]
