"""Alertmanager's file: everything goes to the notifier, which knows channels, people and quiet hours."""

from __future__ import annotations

from marketprism_services.monitoring.prometheus import GENERATED, USUAL, Addresses
from marketprism_services.monitoring.yaml_text import Value, yaml_of

_OF_THE_STORE = "StoreBehind|StoreRetries|QueriesFail|SloRowsStored"


def _mutes(source: str, target: str, *equal: str) -> Value:
    rule: dict[str, Value] = {"source_matchers": [source], "target_matchers": [target]}
    return rule | ({"equal": list(equal)} if equal else {})


def configuration(at: Addresses = USUAL) -> str:
    """`alertmanager.yml` of Alertmanager 0.25."""
    bearer: Value = {"type": "Bearer", "credentials_file": "secrets/notifier-token"}
    http: dict[str, Value] = {"authorization": bearer} | at.tls()
    webhook: dict[str, Value] = {
        "url": f"{at.scheme}://{at.webhook}/alerts",
        "send_resolved": True,
        "http_config": http,
    }
    steady: dict[str, Value] = {
        "receiver": "notifier",
        "matchers": ['alertname="DeadMansSwitch"'],
        "group_wait": "0s",
        "group_interval": "20s",  # three make a minute: one that equals the repetition would be missed every other time
        "repeat_interval": "50s",
    }
    document: dict[str, Value] = {
        "route": {
            "receiver": "notifier",
            "group_by": ["alertname", "severity"],
            "group_wait": "5s",  # the notifier groups by itself; what joins a group must not wait for a minute
            "group_interval": "10s",
            "repeat_interval": "4h",
            "routes": [
                steady,
                {"receiver": "notifier", "matchers": ['severity="info"'], "repeat_interval": "24h"},
            ],
        },
        "receivers": [{"name": "notifier", "webhook_configs": [webhook]}],
        "inhibit_rules": [
            _mutes('alertname="BrokerUnreachable"', 'needs="broker"'),
            _mutes('severity="page"', 'severity="ticket"', "alertname", "service", "instance", "objective"),
            _mutes('alertname="InstanceDown"', 'alertname!="InstanceDown"', "instance"),
            _mutes('alertname="StoreDown"', f'alertname=~"{_OF_THE_STORE}"'),
        ],
    }
    return yaml_of(document, f"{GENERATED}\nFor Alertmanager 0.25 and later.")


__all__ = ["configuration"]
