"""Every file that is made of these tables, by its path from the top of the repository."""

from __future__ import annotations

from marketprism_services.monitoring import alertmanager, dashboards, prometheus, runbooks
from marketprism_services.monitoring.prometheus import Addresses
from marketprism_services.monitoring.yaml_text import Value, yaml_of
from marketprism_services.settings.services import SERVICES

_PORTS = {row.name: row.port for row in SERVICES}
# By the names of the Services in `deploy/kubernetes`.
_KUBERNETES = Addresses(
    f"monitor:{_PORTS['monitor']}", f"notifier:{_PORTS['notifier']}", "127.0.0.1:9090", "alertmanager:9093"
)

_GRAFANA = (("dashboards", "dashboards"), ("provider", "provisioning/dashboards"))

# Names of the services on the networks of `deploy/compose/compose.yaml`.
IN_COMPOSE = Addresses("monitor:8086", "notifier:8090", "127.0.0.1:9090", "alertmanager:9093")


def files() -> dict[str, str]:
    """Text by path: what `make docs` writes and a test compares."""
    rules = prometheus.files()
    return {
        **{f"deploy/prometheus/{path}": text for path, text in rules.items()},
        "deploy/prometheus/kustomization.yaml": _rules_of_a_cluster([path for path in rules if "/" in path]),
        "deploy/alertmanager/alertmanager.yml": alertmanager.configuration(),
        "deploy/kubernetes/components/monitoring/prometheus.yml": prometheus.configuration(_KUBERNETES),
        "deploy/kubernetes/components/monitoring/alertmanager.yml": alertmanager.configuration(_KUBERNETES),
        "deploy/kubernetes/components/monitoring/grafana-source.yml": dashboards.data_source("prometheus:9090"),
        **{f"deploy/grafana/{path}": text for path, text in dashboards.files().items()},
        "deploy/grafana/kustomization.yaml": _dashboards_of_a_cluster(),
        "deploy/compose/prometheus.yml": prometheus.configuration(IN_COMPOSE),
        "deploy/compose/alertmanager.yml": alertmanager.configuration(IN_COMPOSE),
        "deploy/compose/grafana-source.yml": dashboards.data_source("prometheus:9090"),
        **{f"docs/runbooks/{path}": text for path, text in runbooks.files().items()},
    }


def _rules_of_a_cluster(paths: list[str]) -> str:
    return _config_maps({"prometheus-rules": paths}, "The rules as a ConfigMap, for deploy/kubernetes.")


def _dashboards_of_a_cluster() -> str:
    paths = dashboards.files()
    maps = {f"grafana-{kind}": [path for path in paths if path.startswith(f"{folder}/")] for kind, folder in _GRAFANA}
    return _config_maps(maps, "The dashboards as ConfigMaps, for deploy/kubernetes.")


def _config_maps(files_of: dict[str, list[str]], what: str) -> str:
    """Kustomize takes files from below its own folder alone."""
    maps: list[Value] = [{"name": name, "files": [*sorted(paths)]} for name, paths in files_of.items()]
    return yaml_of(
        {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "configMapGenerator": maps},
        f"{prometheus.GENERATED}\n{what}",
    )


__all__ = ["IN_COMPOSE", "files"]
