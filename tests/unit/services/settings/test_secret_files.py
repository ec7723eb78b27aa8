"""Secrets that lie in files: every secret setting has a variable for it, and what is wrong with a file is clear."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from marketprism_sdk.urls import Secret, Url
from marketprism_services.platform import run_files
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.secret_files import warn_of_open_files
from marketprism_services.settings.settings import Settings, load
from marketprism_services.settings.shape import type_at
from marketprism_services.settings.variables import variable
from tests.support.reference.settings import leaves

PLANTED = "pl4nted-in-a-file"
NAME = "MARKETPRISM_CTP__PASSWORD_FILE"


def _file(folder: Path, content: bytes = PLANTED.encode() + b"\n", mode: int = 0o600) -> str:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def _refused(monkeypatch: pytest.MonkeyPatch, given: str) -> str:
    monkeypatch.setenv(NAME, given)
    with pytest.raises(SettingsError) as refused:
        load()
    assert PLANTED not in f"{refused.value!r} {refused.value} {refused.value.__cause__!r}"
    return str(refused.value)


OWN_FILE = ("nats", "password")  # has a setting for its file, which is read at every connection
SECRET = [path for path in leaves() if type_at(Settings, path) in (Secret, Url) and path != OWN_FILE]


@pytest.mark.parametrize("path", SECRET, ids=".".join)
def test_each_secret_setting_may_lie_in_a_file(
    path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"nats://u:{PLANTED}@host:4222" if path[-1].endswith("url") else PLANTED
    if path[-1] == "nkey_seed":
        text = f"SU{PLANTED}"
    monkeypatch.setenv(f"{variable(path)}_FILE", _file(tmp_path, text.encode() + b"\r\n"))
    settings = load()
    assert dict(run_files.secrets_of(settings))[path] == text
    handed = run_files.write(settings.model_copy(update={"data_dir": tmp_path / "data"}))
    assert handed.environment[variable(path)] == text  # children have it as they have every secret
    assert PLANTED not in handed.config.read_text() + repr(settings) + settings.model_dump_json()


def test_the_password_of_nats_stays_in_its_file_until_a_connection_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETPRISM_NATS__USER", "u")
    monkeypatch.setenv(f"{variable(OWN_FILE)}_FILE", path := _file(tmp_path, PLANTED.encode() + b"\n"))
    settings = load()
    assert (settings.nats.password, str(settings.nats.password_file)) == ("", str(path))
    assert settings.nats.access("storage").options()["password"] == PLANTED
    handed = run_files.write(settings.model_copy(update={"data_dir": tmp_path / "data"}))
    assert PLANTED not in handed.config.read_text() + repr(handed.environment)


def test_there_are_secret_settings_to_look_at() -> None:
    assert {("ctp", "password"), ("store", "url"), ("nats", "url"), ("api", "oidc", "client_secret")} <= set(SECRET)


def test_a_member_of_a_list_has_a_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "MARKETPRISM_CTP__OTHERS__0__"
    for name, text in (("MD_FRONTS", "tcp://127.0.0.1:1"), ("BROKER", "1"), ("USER", "v")):
        monkeypatch.setenv(other + name, text)
    monkeypatch.setenv(f"{other}PASSWORD_FILE", _file(tmp_path))
    assert load().ctp.others[0].password.reveal() == PLANTED


def test_a_file_that_cannot_be_used_is_named_and_its_content_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "none"
    assert _refused(monkeypatch, str(missing)) == (
        f"{NAME}: expected a file that can be read, was {missing}: No such file or directory"
    )
    assert "expected the path of a file" in _refused(monkeypatch, "")
    assert f"{tmp_path} is none" in _refused(monkeypatch, str(tmp_path))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert f"{pipe} is none" in _refused(monkeypatch, str(pipe))
    assert "an empty file" in _refused(monkeypatch, _file(tmp_path, b"\n"))
    assert "expected one line" in _refused(monkeypatch, _file(tmp_path, f"{PLANTED}\nmore\n".encode()))
    assert "expected one line" in _refused(monkeypatch, _file(tmp_path, f"{PLANTED}\0".encode()))
    assert "expected UTF-8" in _refused(monkeypatch, _file(tmp_path, PLANTED.encode() + b"\xff"))
    assert "at most 65536 bytes" in _refused(monkeypatch, _file(tmp_path, b"x" * 65_537))


def test_a_variable_and_a_file_for_one_secret_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETPRISM_CTP__PASSWORD", "another")
    text = _refused(monkeypatch, _file(tmp_path))
    assert text == f"{NAME}: expected either it or MARKETPRISM_CTP__PASSWORD, found both"


def test_a_file_stands_above_the_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[ctp]\npassword = "old"\n')
    monkeypatch.setenv(NAME, _file(tmp_path))
    assert load(config).ctp.password.reveal() == PLANTED


def test_a_file_that_others_may_read_is_used_and_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, _file(tmp_path, mode=0o644))
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with capture_logs() as lines:
        assert load().ctp.password.reveal() == PLANTED
        warn_of_open_files(Settings)
    structlog.configure(**before)
    (line,) = [each for each in lines if each["event"] == "secret.file_open_to_others"]
    assert (line["variable"], line["mode"], line["log_level"]) == (NAME, "0644", "warning")
    assert PLANTED not in str(lines)


def test_what_is_no_secret_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETPRISM_CTP__BROKER_FILE", _file(tmp_path))
    with pytest.raises(SettingsError, match=r"ctp\.broker_file: there is no such setting"):
        load()
