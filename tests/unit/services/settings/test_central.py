"""Central values: whose they are, which may be set, and what a process makes of them beside its own layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketprism_services.settings.central import (
    CentralKey,
    check_key,
    check_name,
    check_together,
    checked_value,
    differences,
    differing,
    shown,
    values_for,
)
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.layers import Layers
from marketprism_services.settings.secret_references import resolve
from marketprism_services.settings.settings import Settings, load


def test_a_key_says_whom_it_is_for() -> None:
    assert CentralKey.of("log.level") == ("log.level", "", "")
    assert CentralKey.of("log.level@gateway") == ("log.level", "gateway", "")
    assert CentralKey.of("log.level@gateway.host-1-ab") == ("log.level", "gateway", "host-1-ab")
    for text in ("log.level", "log.level@gateway", "log.level@gateway.host-1-ab"):
        assert str(CentralKey.of(text)) == text
    assert [CentralKey.of(text).target for text in ("a", "a@b", "a@b.c")] == ["all", "b", "b.c"]


def test_the_narrowest_value_holds() -> None:
    values = {"log.level@gateway.one": "debug", "log.level@gateway": "error", "log.level": "warning", "trace.every": 5}
    assert values_for(values, "storage", "two") == {"log.level": "warning", "trace.every": 5}
    assert values_for(values, "gateway", "two")["log.level"] == "error"
    assert values_for(values, "gateway", "one")["log.level"] == "debug"
    assert values_for(values, "gateway", "")["log.level"] == "error"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("log.levle", "setting log.levle: there is no such setting; did you mean 'log.level'?"),
        (
            "notify.dingtalk",
            "expected one of this section (notify.dingtalk.url, notify.dingtalk.signing_secret), was the section",
        ),
        ("nats.url", "setting nats.url: expected one that can be set centrally: it says where a process lives"),
        ("streams.partitions", "the same for everything that has ever been written"),
        ("rules.z_low", "use `marketprism rules`"),
    ],
)
def test_a_name_that_cannot_be_set_says_why(name: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check_name(name)
    assert text in str(refused.value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("log.level@getaway", "service: expected one of storage, query, "),
        ("notify.quiet_hours@storage", "expected a service that uses it (notifier), was storage"),
        ("store.batch_rows@storage.one", "it applies at a restart, and an instance has another name after it"),
    ],
)
def test_a_target_that_cannot_be_says_why(key: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check_key(CentralKey.of(key))
    assert text in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ctp.password", "hunter2", "setting ctp.password: expected secret:<name>"),
        ("notify.webhook.url", "https://me:hunter2@host/", "setting notify.webhook.url: expected secret:<name>"),
        ("ctp.password", "secret:../passwd", "expected secret: and a name of at most 64 small letters"),
        ("log.level", "secret:level", "setting log.level: expected a value, was a reference to a secret"),
        ("log.level", None, "`config unset` takes a central value out"),
    ],
)
def test_no_secret_is_stored_and_none_is_in_the_text(name: str, value: object, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        checked_value(name, value)
    assert text in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_values_are_stored_as_their_settings_have_them_and_checked_together() -> None:
    values = {
        "trace.every": "500",
        "log.level@gateway": "debug",
        "venue.kinds": checked_value("venue.kinds", "trade, "),
    }
    values["notify.webhook.url"] = "secret:hook"
    assert check_together(values) == {
        "log.level@gateway": "debug",
        "notify.webhook.url": "secret:hook",
        "trace.every": 500,
        "venue.kinds": ["trade"],
    }
    with pytest.raises(SettingsError, match=r"setting log.level: .*, was 'loud'"):
        check_together({"log.level@gateway": "loud"})
    with pytest.raises(SettingsError, match="lease"):  # each by itself could be
        check_together({"lease.lease_s": 1, "lease.heartbeat_s": 5})


def test_differences_name_before_and_after() -> None:
    assert differences({"a": 1, "b": 2}, {"b": 3, "c": 4}) == {"a": (1, None), "b": (2, 3), "c": (None, 4)}
    assert differing(Settings(), Layers().settings({"trace.every": 5})) == ["trace.every"]


def test_the_order_of_the_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.toml"
    file.write_text('[log]\nlevel = "error"\n[trace]\nevery = 7\n[scheduler]\nmost_running = 5\n', encoding="utf-8")
    monkeypatch.setenv("MARKETPRISM_TRACE__EVERY", "9")
    layers = Layers.read(file, {"query": {"cache_mb": 3}})
    central = {"log.level": "debug", "trace.every": 100, "query.cache_mb": 100}
    settings = layers.settings(central)
    assert settings.log.level == "debug"  # central over the file
    assert settings.scheduler.most_running == 5  # the file over the default
    assert settings.trace.every == 9  # the environment over central
    assert settings.query.cache_mb == 3  # so an option
    assert layers.pinned == {"trace.every", "query.cache_mb"}
    assert layers.settings().log.level == "error"  # nothing of before is left in the layers


def test_what_up_was_given_by_its_environment_is_pinned_in_its_services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"log": {"level": "error"}, "trace": {"every": 7}}', encoding="utf-8")
    monkeypatch.setenv("MARKETPRISM_PINNED", "log.level")
    layers = Layers.read(file)
    assert layers.pinned == {"log.level"}
    settings = layers.settings({"log.level": "debug", "trace.every": 8})
    assert (settings.log.level, settings.trace.every) == ("error", 8)


def test_a_secret_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError) as refused:
        resolve("ctp.password", "secret:ctp.main", tmp_path)
    places = f"MARKETPRISM_SECRET_CTP_MAIN, /run/secrets/ctp.main or {tmp_path}/secrets/ctp.main"
    assert str(refused.value) == (
        f"setting ctp.password: expected the secret ctp.main in {places}, was in none of them"
    )
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "ctp.main").write_text("of a file\n", encoding="utf-8")
    assert resolve("ctp.password", "secret:ctp.main", tmp_path) == "of a file"
    monkeypatch.setenv("MARKETPRISM_SECRET_CTP_MAIN", "of the environment")
    assert resolve("ctp.password", "secret:ctp.main", tmp_path) == "of the environment"
    assert Layers.read().pinned == frozenset()  # the variable of a secret is no setting


def test_a_secret_is_shown_masked() -> None:
    settings = Layers().settings({"ctp.password": "hunter2", "trace.every": 5})
    found = shown(settings, ("ctp.password", "sopt.password", "trace.every"))
    assert found == {"ctp.password": "***", "sopt.password": "", "trace.every": 5}


def test_a_variable_of_a_member_of_a_list_leaves_the_rest_of_the_files_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "m.toml"
    file.write_text('[[ctp.others]]\nmd_fronts = ["tcp://a:1"]\nbroker = "1"\nuser = "u"\n', encoding="utf-8")
    monkeypatch.setenv("MARKETPRISM_CTP__OTHERS__0__PASSWORD", "p")
    layers = Layers.read(file)
    (other,) = layers.settings({"log.level": "debug"}).ctp.others
    assert (other.md_fronts, other.password.reveal()) == (("tcp://a:1",), "p")
    assert layers.settings() == load(file)
    assert "ctp.others" in layers.pinned
