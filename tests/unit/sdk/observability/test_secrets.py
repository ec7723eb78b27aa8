"""What is printed and logged carries no password, wherever it stood."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import stat
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path

import pytest
import structlog

from marketprism_sdk.errors import NotConnected
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.observability import logs
from marketprism_sdk.private_files import private_folder, write_private
from marketprism_sdk.urls import Url, hide


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nats://user:s3cret@host:4222", "nats://***@host:4222"),
        ("nats://token@host", "nats://***@host"),
        ("nats://a:p@ss@one:1,nats://b:q@two:2", "nats://***@one:1,nats://***@two:2"),
        ("nats://a:p@one:1,b:q@two:2", "nats://***@two:2"),
        ("http://h:8123/?user=me&password=s3cret&x=1", "http://h:8123/?user=me&password=***&x=1"),
        ("at http://w:s3cret@h:8123: no answer (a@b)", "at http://***@h:8123: no answer (a@b)"),
        ("wss://stream.example/ws/btcusdt@trade", "wss://stream.example/ws/btcusdt@trade"),
        ("mail me@example.org", "mail me@example.org"),
    ],
)
def test_a_url_in_a_text_shows_no_user(text: str, shown: str) -> None:
    assert hide(text) == shown


def test_a_url_is_printed_without_and_used_with_its_password() -> None:
    url = Url("nats://user:s3cret@host:4222")
    for printed in (str(url), repr(url), f"{url}", f"{url!r:>40}", "%s" % url, "{}".format(url), repr([url])):  # noqa: UP031, UP032
        assert "s3cret" not in printed
        assert "host:4222" in printed
    assert url.reveal() == "nats://user:s3cret@host:4222" == url
    assert type(url.reveal()) is str
    assert Url(url).reveal() == url.reveal()
    assert url.bare() == "nats://host:4222"
    assert Url("nats://a:b@one:1,c:d@two:2").bare() == "nats://one:1,two:2"
    assert Url("http://h:1/x?token=s3cret&a=1").bare() == "http://h:1/x?a=1"
    assert (url.secret, Url("nats://host").secret, Url("").secret) == (True, False, False)


@pytest.fixture
def as_configured() -> Iterator[None]:
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("as_configured")
@pytest.mark.parametrize("form", ["json", "console"])
def test_no_line_of_a_log_carries_a_secret(form: str) -> None:
    url = Url("nats://user:s3cret@host:4222")
    with redirect_stderr(io.StringIO()) as written:
        logs.configure(form=form)
        log = structlog.get_logger()
        log.warning(f"cannot reach {url.reveal()}", url=url, server=url.reveal(), list=[url.reveal()])
        log.warning("settings", given={"password": "s3cret", "deep": [{"auth_code": "s3cret"}]}, api_key="s3cret")
        try:
            raise ValueError(f"bad {url.reveal()}")
        except ValueError:
            log.exception("failed")
        logging.getLogger("library").warning("connecting to %s", url.reveal())
    assert "s3cret" not in written.getvalue()
    assert written.getvalue().count("***@host:4222") >= 6


async def test_an_error_about_a_connection_names_the_server_and_not_the_password() -> None:
    with pytest.raises(NotConnected, match=r"NATS at nats://\*\*\*@127\.0\.0\.1:1: expected a NATS server") as failed:
        await NatsConnection.open("nats://user:s3cret@127.0.0.1:1", connect_timeout_s=2)
    assert "s3cret" not in str(failed.value)


async def test_a_private_file_is_its_owners_and_replaces_what_anybody_could_read(tmp_path: Path) -> None:
    def check() -> None:
        folder = tmp_path / "run"
        folder.mkdir(mode=0o755)
        path = private_folder(folder) / "secret"
        path.write_text("old")
        path.chmod(0o644)
        (folder / "secret.new").symlink_to(tmp_path / "elsewhere")
        write_private(path, json.dumps(["new"]))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == '["new"]'
        assert sorted(each.name for each in tmp_path.rglob("*")) == ["run", "secret"]

    await asyncio.to_thread(check)


def test_a_line_of_json_stays_one_when_a_url_in_quotes_is_hidden() -> None:
    for text in ('get("http://a/b?token=canary")', "http://a/b?token=canary\nnext", 'http://a/b?token=can\\ary"x'):
        line = hide(json.dumps({"error": text}))
        assert "***" in json.loads(line)["error"]
        assert "ary" not in line
