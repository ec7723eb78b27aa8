"""Files with secrets that others may read, passwords that are none, certificates, and who comes in."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from marketprism_adapters.clickhouse.server_facts import StoreFacts, numbers_of
from marketprism_sdk.messaging import InstanceRecord
from marketprism_services.cli.doctor.production import (
    alerting,
    backups,
    certificates,
    door,
    instances,
    secrets,
    store,
)
from marketprism_services.settings.settings import Settings
from tests.support.certificates import Authority
from tests.unit.services.cli.doctor.test_machine import graded

_DAY_S = 86_400


@pytest.mark.parametrize(("mode", "grade"), [(0o600, None), (0o640, None), (0o660, "warning"), (0o644, "wrong")])
def test_a_secret_that_others_can_read_is_named(tmp_path: Path, mode: int, grade: str | None) -> None:
    file = tmp_path / "password"
    file.write_text("x", encoding="utf-8")
    file.chmod(mode)
    assert graded(secrets.modes({"it": file})) == ({"secret it": grade} if grade else {})


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert graded(secrets.modes({"it": tmp_path / "none"})) == {"secret it": "wrong"}


def test_files_with_secrets_are_those_of_settings_and_variables(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.mkdir()
    (users / "storage").write_text("x", encoding="utf-8")
    config = tmp_path / "marketprism.toml"
    config.write_text('[nats]\nuser = "a"\npassword = "b"\n', encoding="utf-8")
    settings = Settings.model_validate({"data_dir": tmp_path, "nats": {"users": users}})
    found = secrets.files_of(settings, config, ["MARKETPRISM_CTP__PASSWORD_FILE=/run/secrets/ctp"])
    assert set(found) == {"nats.users/storage", "MARKETPRISM_CTP__PASSWORD_FILE", "the settings file"}


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ('password = "abc"', True),
        ('url = "http://writer:abc@host:8123"', True),
        ('password = ""', False),
        ('# password = "abc"', False),
        ('password_file = "/run/secrets/nats"', False),
        ('url = "http://host:8123"', False),
    ],
)
def test_a_settings_file_with_a_secret_is_recognised(tmp_path: Path, line: str, *, holds: bool) -> None:
    config = tmp_path / "settings.toml"
    config.write_text(f"[nats]\n{line}\n", encoding="utf-8")
    assert secrets.holds_a_secret(config) == holds


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"store": {"engine": "clickhouse", "url": "http://writer:hPq7-fTz2@host:8123"}}, set()),
        (
            {"store": {"engine": "clickhouse", "url": "http://host:8123"}},
            {"user of store.url", "password of store.url"},
        ),
        ({"store": {"engine": "clickhouse", "url": "http://default:hPq7@host:8123"}}, {"user of store.url"}),
        ({"store": {"engine": "clickhouse", "url": "http://writer:writer@host:8123"}}, {"password of store.url"}),
        (
            {"nats": {"url": "nats://a:hPq7@one:4222,nats://a:password@two:4222"}},
            {"password of nats.url, server 2"},
        ),
        ({"nats": {"user": "a", "password": "admin"}}, {"password of nats.user"}),
    ],
)
def test_a_password_that_everybody_tries_first_is_named(values: dict[str, object], wrong: set[str]) -> None:
    findings = secrets.passwords(Settings.model_validate(values))
    assert set(graded(findings)) == wrong
    assert not any("hPq7" in f"{each}" for each in findings)


def test_certificates_that_end_and_names_they_lack_are_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    good, _ = authority.issue("good", days=90)
    now = time.time()
    assert graded(certificates.of_file("http.tls.cert", good, ["localhost", "127.0.0.1"], now)) == {}
    named = certificates.of_file("http.tls.cert", good, ["desk.example"], now)
    assert graded(named) == {"certificate http.tls.cert, names": "wrong"}
    grades = [certificates.days_left("it", now + days * _DAY_S, now).grade for days in (60, 10, 1, -1)]
    assert grades == ["ok", "warning", "wrong", "wrong"]
    assert "has ended" in certificates.days_left("it", now - _DAY_S, now).text


def test_a_chain_that_is_broken_and_a_file_that_is_none_are_named(tmp_path: Path) -> None:
    one, other = Authority(tmp_path / "one"), Authority(tmp_path / "other")
    cert, _ = one.issue("it", days=90)
    chain = tmp_path / "chain.pem"
    # The authority of the tests is good for 30 days, which is long enough.
    chain.write_bytes(cert.read_bytes() + one.file.read_bytes())
    assert graded(certificates.of_file("http.tls.cert", chain, (), time.time())) == {}
    chain.write_bytes(cert.read_bytes() + other.file.read_bytes())
    assert graded(certificates.of_file("http.tls.cert", chain, (), time.time())) == {
        "certificate http.tls.cert, chain": "wrong"
    }
    chain.write_bytes(b"no certificate")
    assert graded(certificates.of_file("nats.ca", chain, (), time.time())) == {"certificate nats.ca": "wrong"}


def test_a_certificate_with_the_key_of_another_is_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    (cert, key), (_, other) = authority.issue("one", days=90), authority.issue("other", days=90)
    for private, found in ((key, {}), (other, {"certificate http.tls, key": "wrong"})):
        settings = Settings.model_validate({"http": {"tls": {"cert": cert, "key": private}}})
        assert graded(certificates.all_files(settings)) == found


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"api": {"auth": "on"}}, set()),
        ({}, {"log-in of the API"}),
        ({"api": {"auth": "off"}}, {"log-in of the API"}),
        ({"api": {"auth": "on"}, "http": {"host": "0.0.0.0"}}, {"HTTP beyond this machine"}),
    ],
)
def test_a_door_that_is_open_is_named(values: dict[str, object], wrong: set[str]) -> None:
    assert set(graded(door.settings_of_door(Settings.model_validate(values)))) == wrong


def test_an_old_backup_and_no_drill_are_named() -> None:
    assert [backups.age(hours).grade for hours in (5.0, 40.0, 100.0, None)] == ["ok", "warning", "wrong", "wrong"]
    assert [backups.drilled(days).grade for days in (3.0, 20.0, None)] == ["ok", "warning", "wrong"]


async def test_no_backups_and_backups_beside_the_data_are_named(tmp_path: Path) -> None:
    values: dict[str, object] = {"data_dir": tmp_path / "data"}
    assert graded(await backups.look(Settings.model_validate(values))) == {"existing backups": "wrong"}
    place = tmp_path / "backups"
    place.mkdir()
    found = await backups.look(Settings.model_validate({**values, "backup": {"place": str(place)}}))
    assert graded(found) == {
        "place of backups": "wrong",
        "existing backups": "wrong",
        "restore drill": "wrong",
    }


def record(service: str, instance: str, version: str = "1", group: str = "") -> InstanceRecord:
    """An instance in the registry."""
    return InstanceRecord(service, instance, version, "active", 1, 1, {}, {"group": group} if group else {})


def test_a_service_that_nobody_takes_over_from_is_named() -> None:
    needed = ("storage", "query", "api", "aggregator", "validator", "monitor")
    pairs = [record(name, f"{name}-{number}") for name in needed for number in (1, 2)]
    gateways = [record("gateway", f"gateway-{number}", group="okx") for number in (1, 2)]
    assert graded(instances.judge([*pairs, *gateways])) == {}
    lonely = [*pairs[1:], *gateways, record("gateway", "gateway-3", "2", group="ctp")]
    found = graded(instances.judge(lonely))
    assert found == {"service storage": "wrong", "service gateway ctp": "wrong", "versions that run": "warning"}
    assert graded(instances.judge([*pairs[4:], *gateways]))["service query"] == "wrong"


def test_alerts_that_nobody_hears_are_named() -> None:
    notify = Settings.model_validate(
        {"notify": {"dingtalk": {"url": "https://oapi.dingtalk.com/robot/send?access_token=s3cret"}}}
    ).notify
    assert alerting.places(notify) == {"dingtalk": ("oapi.dingtalk.com", 443)}


async def test_a_channel_and_an_alertmanager_that_do_not_answer_are_named() -> None:
    none = Settings().notify
    assert graded(await alerting.channels(none)) == {"channels of alerts": "wrong"}
    values = {"notify": {"webhook": {"url": "http://127.0.0.1:1/"}}}
    found = graded(await alerting.channels(Settings.model_validate(values).notify))
    assert found == {"channel webhook": "wrong", "channels of alerts": "warning", "dead man's switch": "warning"}
    assert graded(await alerting.alertmanager("http://127.0.0.1:1")) == {"Alertmanager": "wrong"}
    assert graded(await alerting.alertmanager("")) == {"Alertmanager": "warning"}


def facts(**changed: object) -> StoreFacts:
    """A server that is well."""
    found = StoreFacts(
        "25.3.1.1", 0.0, "writer", ("GRANT SELECT, INSERT ON market.* TO writer",), "Atomic", 10, None, (), 0
    )
    return found._replace(**changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, {}),
        ({"version": "24.8.4.13"}, {"ClickHouse version": "wrong"}),
        ({"database_engine": "Ordinary"}, {"ClickHouse database": "wrong"}),
        ({"database_engine": None}, {"ClickHouse database": "warning"}),
        ({"keep_alive_s": 3}, {"ClickHouse keep-alive": "warning"}),
        ({"grants": ("GRANT ALL ON *.* TO writer WITH GRANT OPTION",)}, {"ClickHouse user writer": "wrong"}),
        ({"grants": ("GRANT SELECT, CREATE USER ON *.* TO writer",)}, {"ClickHouse user writer": "wrong"}),
        ({"grants": ()}, {"ClickHouse user writer": "warning"}),
    ],
)
def test_a_store_that_lacks_something_is_named(changed: dict[str, object], found: dict[str, str]) -> None:
    assert graded(store.judge(facts(**changed), Settings())) == found


@pytest.mark.parametrize(
    ("changed", "grade"),
    [
        ({"delays_s": {"t": 1.0}, "replicas": 2}, None),
        ({"delays_s": {}}, "wrong"),
        ({"delays_s": {"t": 1.0}, "replicas": 1}, "warning"),
        ({"delays_s": {"t": 300.0}, "replicas": 2}, "warning"),
        ({"delays_s": {"t": 1.0}, "replicas": 2, "read_only": ("t",)}, "wrong"),
    ],
)
def test_a_cluster_whose_replicas_are_away_is_named(changed: dict[str, object], grade: str | None) -> None:
    settings = Settings.model_validate({"store": {"engine": "clickhouse", "cluster": "c"}})
    found = graded(store.judge(facts(**changed), settings))
    assert found == ({"ClickHouse replication": grade} if grade else {})


def test_a_reader_who_may_write_and_a_default_user_are_named() -> None:
    assert store.reader(facts()).grade == "wrong"
    assert store.reader(facts(grants=("GRANT SELECT ON market.* TO reader",))).grade == "ok"
    assert graded(store.anybody(comes_in=True)) == {"ClickHouse user default": "wrong"}
    assert store.anybody(comes_in=None) == store.anybody(comes_in=False) == []
    assert [numbers_of(text) for text in ("24.12.3.47", "x")] == [(24, 12), (0, 0)]
