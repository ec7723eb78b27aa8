"""Prometheus' files: what is scraped, what is recorded, what alerts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from marketprism_services.monitoring.alert import Alert
from marketprism_services.monitoring.alerts import ALERTS
from marketprism_services.monitoring.objectives import BURN_ALERTS, OBJECTIVES, RECORD_S
from marketprism_services.monitoring.yaml_text import Value, yaml_of
from marketprism_services.settings.services import SERVICES

GENERATED = "Made of services/marketprism_services/monitoring by `make docs`: alter it there."
SCRAPE = "5s"
_DOOR = "api"  # the one service that asks who scrapes it
_PORTS = {row.name: row.port for row in SERVICES}


class Trust(NamedTuple):
    """Whom to take for a service that speaks HTTPS: a file of certificates, and the name that its certificate is of,
    empty for the host that is asked."""

    ca_file: str
    server_name: str = ""

    def tls_config(self) -> dict[str, Value]:
        """The section of that name, of Prometheus and of Alertmanager alike."""
        named: dict[str, Value] = {"server_name": self.server_name} if self.server_name else {}
        return {"ca_file": self.ca_file} | named


class Addresses(NamedTuple):
    """Where servers and services listen, `host:port`; by default where they do as a rule. With `trust` services speak
    HTTPS."""

    discovery: str = f"127.0.0.1:{_PORTS['monitor']}"
    webhook: str = f"127.0.0.1:{_PORTS['notifier']}"
    prometheus: str = "127.0.0.1:9090"
    alertmanager: str = "127.0.0.1:9093"
    trust: Trust | None = None

    @property
    def scheme(self) -> str:
        """How services are asked."""
        return "http" if self.trust is None else "https"

    def tls(self) -> dict[str, Value]:
        """What a section about services adds."""
        return {} if self.trust is None else {"tls_config": self.trust.tls_config()}


USUAL = Addresses()


def areas() -> dict[str, list[Alert]]:
    """The alerts by area, in the order of the table; those of the objectives last."""
    found: dict[str, list[Alert]] = {}
    for alert in (*ALERTS, *BURN_ALERTS):
        found.setdefault(alert.area, []).append(alert)
    return found


def rule_of(alert: Alert) -> dict[str, Value]:
    """An alert as Prometheus reads it."""
    labels: dict[str, Value] = {"severity": alert.severity.value, "area": alert.area}
    if alert.needs_broker:
        labels["needs"] = "broker"
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.lasts,
        "labels": labels | dict(alert.labels or {}),
        "annotations": {
            "summary": alert.summary,
            "description": alert.runbook.means,
            "runbook": f"docs/runbooks/{alert.page}",
        },
    }


def rules_file(area: str, alerts: Iterable[Alert]) -> str:
    """The alerts of an area."""
    group: dict[str, Value] = {"name": f"marketprism-{area}", "rules": [rule_of(alert) for alert in alerts]}
    return yaml_of({"groups": [group]}, GENERATED)


def records_file() -> str:
    """What is recorded for the objectives, a group each: rules of one group are evaluated one after the other."""
    groups: list[Value] = [
        {
            "name": f"marketprism-objective-{objective.name}",
            "interval": f"{RECORD_S}s",
            "rules": [{"record": name, "expr": expr} for name, expr in objective.records()],
        }
        for objective in OBJECTIVES
    ]
    return yaml_of({"groups": groups}, GENERATED)


def _job(name: str, at: Addresses, action: str, **more: Value) -> dict[str, Value]:
    found: dict[str, Value] = {"url": f"{at.scheme}://{at.discovery}/sd", "refresh_interval": "10s"}
    discovery = found | at.tls()
    return {
        "job_name": name,
        "honor_labels": True,
        **more,
        **at.tls(),  # which targets speak HTTPS is found with them
        "http_sd_configs": [discovery],
        "relabel_configs": [{"source_labels": ["service"], "regex": _DOOR, "action": action}],
    }


def configuration(at: Addresses = USUAL) -> str:
    """`prometheus.yml`: instances are found at the monitor; the API gateway wants a key with `metrics:read`."""
    key: Value = {"type": "Bearer", "credentials_file": "secrets/metrics-key"}
    managers: dict[str, Value] = {"static_configs": [{"targets": [at.alertmanager]}]}
    document: dict[str, Value] = {
        "global": {"scrape_interval": SCRAPE, "scrape_timeout": "4s", "evaluation_interval": SCRAPE},
        "rule_files": ["rules/*.yml"],
        "alerting": {"alertmanagers": [managers]},
        "scrape_configs": [
            _job("marketprism", at, "drop"),
            _job(f"marketprism-{_DOOR}", at, "keep", authorization=key),
            {"job_name": "prometheus", "static_configs": [{"targets": [at.prometheus]}]},
        ],
    }
    return yaml_of(
        document,
        f"{GENERATED}\nFor Prometheus 2.42 and later; docs/monitoring.md says how to run it.\n"
        "honor_labels: a label `service` of a metric (whom it is about) goes before that of the target.",
    )


def files(at: Addresses = USUAL) -> dict[str, str]:
    """Text by path below `deploy/prometheus/`."""
    rules = {f"rules/{area}.yml": rules_file(area, alerts) for area, alerts in areas().items()}
    return {"prometheus.yml": configuration(at), "rules/objectives.yml": records_file(), **rules}


__all__ = [
    "GENERATED",
    "SCRAPE",
    "USUAL",
    "Addresses",
    "Trust",
    "areas",
    "configuration",
    "files",
    "records_file",
    "rule_of",
    "rules_file",
]
