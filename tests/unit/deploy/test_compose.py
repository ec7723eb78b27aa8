"""`deploy/compose/compose.yaml`: both profiles are valid, every service keeps the rules, and the rules find what breaks them."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from marketprism_services.settings.layers import Layers
from marketprism_services.settings.services import SERVICES
from marketprism_services.settings.settings import Settings
from tests.unit.deploy.compose_file import FILE, PROFILES, compose, faults_of, services_of

services = cache(services_of)
INTERNAL = {"bus", "store", "watch"}
OUTWARD = {"gateway", "notifier", "data", "api", "market", "asked", "prometheus", "alertmanager", "grafana"}


@pytest.mark.parametrize("profile", PROFILES)
def test_every_service_keeps_the_rules(profile: str) -> None:
    assert [fault for name, each in services(profile).items() for fault in faults_of(name, each)] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"read_only": False}, "its root can be written"),
        ({"cap_drop": None}, "has capabilities"),
        ({"cap_add": ["NET_ADMIN"]}, "has capabilities"),
        ({"security_opt": []}, "may gain privileges"),
        ({"user": "0:0"}, "runs as root"),
        ({"image": "marketprism"}, "no version"),
        ({"image": "marketprism:latest"}, "no version"),
        ({"image": "registry:5000/marketprism"}, "no version"),
        ({"healthcheck": {}}, "no health check"),
        ({"deploy": {"resources": {"limits": {"cpus": "1"}}}}, "no limit of memory"),
        ({"ports": [{"published": "8080", "host_ip": "0.0.0.0"}]}, "beyond this machine"),
        ({"environment": {"MARKETPRISM_CTP__PASSWORD": "x"}}, "a secret in the environment"),
        ({"environment": {"MARKETPRISM_NATS__URL": "nats://u:p@nats:4222"}}, "a password in the environment"),
        ({"network_mode": "host"}, "part of the host"),
        ({"privileged": True}, "part of the host"),
        ({"volumes": [{"type": "bind", "source": "/etc"}]}, "writes into /etc"),
    ],
)
def test_the_rules_find_what_breaks_them(change: dict[str, Any], said: str) -> None:
    service = copy.deepcopy(services("full")["gateway"])
    assert list(faults_of("gateway", service)) == []
    assert any(said in fault for fault in faults_of("gateway", service | change)), change


@pytest.mark.parametrize("key", ["read_only", "healthcheck", "cap_drop"])
def test_a_misspelt_key_is_refused(key: str, tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(FILE.read_text(encoding="utf-8").replace(f"{key}:", f"{key}x:"), encoding="utf-8")
    told = compose("--profile", "full", "config", "-q", file=wrong)
    assert told.returncode != 0
    assert f"{key}x" in told.stderr


def units(profile: str) -> dict[str, list[str]]:
    """The services that each container of ours runs."""
    commands = {name: each.get("command") or [""] for name, each in services(profile).items()}
    return {name: command[1].split("+") for name, command in commands.items() if command[0] == "run"}


def test_every_service_of_the_product_is_in_both_profiles_and_twice_in_the_full_one() -> None:
    names = sorted(row.name for row in SERVICES)
    assert sorted(name for unit in units("small").values() for name in unit) == names
    assert units("full") == {name: [name] for name in names}
    full = services("full")
    assert {full[name]["deploy"]["replicas"] for name in names} == {2}
    assert {"nats-0", "nats-1", "nats-2", "clickhouse", "prometheus", "alertmanager", "grafana"} <= set(full)


@pytest.mark.parametrize("profile", PROFILES)
def test_who_runs_a_service_has_its_password_and_no_others(profile: str) -> None:
    for name, unit in units(profile).items():
        mounted = {each["source"] for each in services(profile)[name]["secrets"]}
        assert {each for each in mounted if each.startswith("nats_")} == {f"nats_{service}" for service in unit}, name
        assert ("notifier_token" in mounted) == ("notifier" in unit), name


@pytest.mark.parametrize("profile", PROFILES)
def test_only_who_needs_the_world_reaches_it(profile: str) -> None:
    for name, each in services(profile).items():
        reached = set(each["networks"]) - INTERNAL
        assert bool(reached) == (name in OUTWARD), (name, reached)
    assert {name for name, each in services(profile).items() if "store" in each["networks"]} <= {
        "clickhouse",
        "storage",
        "query",
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_every_setting_in_the_environment_is_one(profile: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A misspelt one would be an error at the start of each container; secrets are files that are there then."""
    (tmp_path / "secret").write_text("http://u:p@clickhouse:8123\n", encoding="utf-8")
    (tmp_path / "secret").chmod(0o600)
    for name in units(profile):
        with monkeypatch.context() as given:
            for key, value in services(profile)[name]["environment"].items():
                given.setenv(key, str(tmp_path / "secret") if key.endswith("_FILE") else value)
            settings = Layers.read(None, {}).settings()
        assert isinstance(settings, Settings)
        assert settings.nats.replicas == (3 if profile == "full" else 1)
