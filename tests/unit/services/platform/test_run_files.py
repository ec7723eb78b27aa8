"""Settings on their way from `up` to its services: whole, and without a secret in a file."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from marketprism_services.platform import known_files, run_files
from marketprism_services.platform.exits import Exit, code_of
from marketprism_services.platform.log_files import open_log, rotate
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.layers import Layers
from marketprism_services.settings.settings import Settings, load
from marketprism_services.settings.variables import without_settings

GIVEN = """
[nats]
url = "nats://user:s3cret-nats@127.0.0.1:4222"
[store]
engine = "clickhouse"
url = "http://writer:s3cret-store@127.0.0.1:8123"
read_url = "http://reader:s3cret-read@127.0.0.1:8123"
[venue]
ws_url = "ws://proxy:s3cret-proxy@127.0.0.1:1/x"
[ctp]
md_fronts = ["tcp://127.0.0.1:1"]
password = "s3cret ü \\" '"
auth_code = "0123"
[[ctp.others]]
md_fronts = ["tcp://127.0.0.1:2"]
broker = "one"
[[ctp.others]]
md_fronts = ["tcp://127.0.0.1:3"]
broker = "two"
password = "s3cret-two"
[sopt]
password = "12345"
[api.oidc]
issuer = "https://login.example"
client_id = "desk"
client_secret = "s3cret-oidc"
redirect_url = "https://desk.example/api/v1/auth/oidc/callback"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "given.toml").write_text(GIVEN, encoding="utf-8")
    return load(tmp_path / "given.toml", {"data_dir": str(tmp_path / "data")})


def test_a_service_has_the_secrets_and_no_file_has(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    handed = run_files.write(settings)
    written = handed.config.read_text(encoding="utf-8")
    assert "s3cret" not in written
    assert "0123" not in written
    assert "****" not in written
    for name, value in handed.environment.items():
        monkeypatch.setenv(name, value)
    child = load(handed.config)
    assert child == settings
    assert child.ctp.password.reveal() == "s3cret ü \" '"
    assert child.api.oidc.client_secret.reveal() == "s3cret-oidc"
    assert [other.password.reveal() for other in child.ctp.others] == ["", "s3cret-two"]
    assert child.store.read_url.reveal() == "http://reader:s3cret-read@127.0.0.1:8123"
    assert "s3cret" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_what_the_environment_of_up_gives_is_pinned_in_its_services(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "MARKETPRISM_PINNED" not in run_files.write(settings).environment
    monkeypatch.setenv("MARKETPRISM_LOG__LEVEL", "error")
    monkeypatch.setenv("MARKETPRISM_STORE__KEEP_DAYS__MARKET_TICKS", "365")
    handed = run_files.write(load(None, {"data_dir": str(settings.data_dir)}))
    monkeypatch.undo()
    for name, value in handed.environment.items():
        monkeypatch.setenv(name, value)
    layers = Layers.read(handed.config)
    assert layers.pinned == {"log.level", "store.keep_days"}
    assert layers.settings({"log.level": "debug", "trace.every": 5}).log.level == "error"


def test_a_file_for_a_process_that_is_given_nothing_else_is_whole(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "whole.json"
    run_files.write_whole(path, settings)
    assert load(path) == settings
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_only_one_run_file_holds_a_secret_and_all_are_their_owners(settings: Settings) -> None:
    handed = run_files.write(settings)
    folder = handed.config.parent
    found = {path.name for path in folder.iterdir() if "s3cret" in path.read_text(encoding="utf-8")}
    assert found == {"url.secret"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "url").read_text() == "nats://127.0.0.1:4222"
    assert known_files.known_url(settings.data_dir) == settings.nats.url
    nats = replace(settings.nats, url=run_files.Url("nats://127.0.0.1:4333"))
    run_files.write(settings.model_copy(update={"nats": nats}))
    assert known_files.known_url(settings.data_dir) == "nats://127.0.0.1:4333", "not that of an earlier run"


def test_a_member_of_a_list_is_set_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "given.toml").write_text(GIVEN, encoding="utf-8")
    monkeypatch.setenv("MARKETPRISM_CTP__OTHERS__0__PASSWORD", "first")
    monkeypatch.setenv("MARKETPRISM_CTP__MD_FRONTS__0", "tcp://127.0.0.1:9")
    monkeypatch.setenv("MARKETPRISM_CTP__MD_FRONTS__1", "tcp://127.0.0.1:10")
    ctp = load(tmp_path / "given.toml").ctp
    assert [(other.broker, other.password.reveal()) for other in ctp.others] == [
        ("one", "first"),
        ("two", "s3cret-two"),
    ]
    assert ctp.md_fronts == ("tcp://127.0.0.1:9", "tcp://127.0.0.1:10")
    monkeypatch.setenv("MARKETPRISM_CTP__OTHERS__5__PASSWORD", "nobody's")
    with pytest.raises(SettingsError, match=r"setting others\.5: expected a number up to 2, was 5"):
        load(tmp_path / "given.toml")


def test_a_variable_and_one_for_a_part_of_it_are_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETPRISM_NATS", "nats://x")
    monkeypatch.setenv("MARKETPRISM_NATS__URL", "nats://y")
    with pytest.raises(SettingsError, match="MARKETPRISM_NATS__URL: expected either one variable for 'nats'") as stop:
        load()
    assert code_of(stop.value) is Exit.USAGE


def test_a_child_does_not_take_settings_from_the_environment_of_its_parent() -> None:
    given = {"PATH": "/bin", "MARKETPRISM_STORE__URL": "server", "MARKETPRISM_HOME": "/x"}
    assert without_settings(given) == {"PATH": "/bin", "MARKETPRISM_HOME": "/x"}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"nats": {"url": "http://u:s3cret@h"}}, "setting nats.url: expected nats://host:port or tls"),
        ({"nats": {"url": "nats://u:s3c/ret@h"}}, "with special characters as %XX"),
        ({"ctp": {"password": 5300}}, "setting ctp.password: "),
        ({"ctp": {"others": [{"password": "s3cret"}]}}, r"setting ctp.others.0.md_fronts: "),
        ({"store": {"urls": "http://u:s3cret@h"}}, "did you mean 'url'"),
    ],
)
def test_an_error_about_a_setting_shows_no_secret(given: dict[str, object], text: str) -> None:
    with pytest.raises(SettingsError) as stop:
        load(None, given)
    assert text in str(stop.value)
    assert "s3c" not in str(stop.value)
    assert "5300" not in str(stop.value)


def test_a_log_file_is_bounded_and_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    descriptor = open_log(path)
    with os.fdopen(descriptor, "wb", buffering=0) as writer:
        for number in range(6):
            writer.write(b"%d" % number * 100)
            assert rotate(path, 100) is False
            writer.write(b"!")
            assert rotate(path, 100) is True
    assert path.read_bytes() == b""
    kept = {each.name: each.read_bytes()[:1] for each in tmp_path.iterdir()}
    assert kept == {"gateway.log": b"", "gateway.log.1": b"5", "gateway.log.2": b"4", "gateway.log.3": b"3"}
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
    assert rotate(tmp_path / "none.log") is False


@pytest.mark.parametrize("text", ["", "[]", "{", '{"calendar": 1}', "\xff"])
def test_what_another_version_wrote_is_no_reason_to_end(text: str, tmp_path: Path) -> None:
    assert known_files.known_section(tmp_path, "calendar") == {}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "settings.json").write_text(text, encoding="latin-1")
    assert known_files.known_section(tmp_path, "calendar") == {}
    gone = {"query": {"concurrent": 16}, "calendar": {"closed": ["2026-12-31"]}}
    (tmp_path / "run" / "settings.json").write_text(json.dumps(gone), encoding="utf-8")
    assert known_files.known_section(tmp_path, "calendar") == {"closed": ["2026-12-31"]}
