"""`marketprism access`: the first administrator, keys that are shown once, and what is wrong said in words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result
from typer.testing import CliRunner

from marketprism_adapters.identity.shown_once import key_id
from marketprism_adapters.nats.access_store import NatsAccessStore
from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.access_records import AccessRecord, ApiKey, RefreshFamily, Session, Signer, User
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli.access import access
from marketprism_services.platform.exits import Exit, Stop
from tests.integration.api.access_side import gateway

pytestmark = pytest.mark.timeout(120)


KEY = ApiKey(id="", owner="robot", digest=b"d")
SIGNER = Signer(id="a" * 16, public=b"p" * 32, instance="api-1", ts_expires=2**62)
SESSION = Session(id="0a" * 16, user="robot", version=1)
FAMILY = RefreshFamily(id="f" * 20, user="robot", digest=b"d", version=1, ts_expires=2**62)


async def change(url: str, record: AccessRecord) -> None:
    """Have it in the store, whatever is there."""
    connection = await NatsConnection.open(url, name="change")
    store = NatsAccessStore(connection)
    await store.start()
    stored = await store.read(type(record), record.id)
    await store.write(record, stored.revision if stored is not None else 0)
    await store.stop()
    await connection.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = asyncio.run(EmbeddedServer.start(EmbeddedOptions(tmp_path_factory.mktemp("nats"), port=0)))
    yield server.url
    asyncio.run(server.stop())


class Shell:
    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._environ = {"COLUMNS": "200", "HOME": str(folder)}

    def run(self, *words: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(access, [*words, "--nats-url", self._url], env=self._environ, input=typed)

    def lines(self, *words: str) -> list[dict[str, object]]:
        done = self.run(*words)
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]

    def fails(self, code: Exit, *words: str) -> str:
        error = self.run(*words).exception
        assert isinstance(error, Stop), error
        assert error.code == code, str(error)
        return str(error)


async def test_a_gateway_that_nobody_can_administrate_says_what_to_do(
    url: str, logs: list[MutableMapping[str, Any]]
) -> None:
    async with gateway(url):
        found = [each for each in logs if each["event"] == "access.admin_missing"]
        assert [each["command"] for each in found] == ["marketprism access init"]


def test_the_first_administrator_and_what_it_makes(url: str, tmp_path: Path) -> None:
    shell = Shell(url, tmp_path)
    (first,) = shell.lines("init", "--json")
    assert first["user"] == "admin"
    assert key_id(str(first["key"])) is not None
    again = shell.run("init")
    assert again.exit_code == 0
    assert "already" in again.output
    assert str(first["key"]) not in again.output

    shell.run("role", "add", "desk", "md:read,md:history", "--venues", "shfe", "--symbols", "rb*")
    (ann,) = shell.lines("user", "add", "ann", "--role", "desk,viewer", "--json")
    assert len(str(ann["password"])) > 20
    shell.run("user", "add", "robot", "--service", "--role", "quant")
    (made,) = shell.lines(
        "key", "add", "robot", "--scopes", "md:read", "--days", "30", "--from", "10.0.0.0/8", "--json"
    )
    assert made["cidrs"] == ["10.0.0.0/8"]
    shown = shell.run("key", "add", "ann", "--name", "research")
    assert "key of ann, shown once: mp_" in shown.output
    assert [each["id"] for each in shell.lines("user", "list", "--json")] == ["admin", "ann", "robot"]
    assert len(shell.lines("key", "list", "--json")) == 3
    who = json.loads(shell.run("who", str(made["id"])).stdout)
    assert (who["id"], who["scopes"], who["valid"]) == ("service:robot", ["md:read"], True)
    typed = shell.run("who", "-", typed=f"{made['key']}\n").stdout
    assert '"id": "service:robot"' in typed
    assert str(made["key"]) not in typed

    (changed,) = shell.lines(
        "user",
        "change",
        "ann",
        "--role",
        "desk",
        "--display",
        "Ann",
        "--limits",
        "bulk",
        "--disable",
        "--json",
        "--entitlements",
        '[{"venues": ["shfe"], "symbols": ["rb26*"], "delay_s": 60}]',
        "--subject",
        "https://login.example 42",
    )
    assert (changed["roles"], changed["display"], changed["limits"]) == (["desk"], "Ann", "bulk")
    assert (changed["disabled"], changed["subject"]) == (True, "https://login.example 42")
    assert [(each["symbols"], each["delay_s"]) for each in changed["entitlements"]] == [(["rb26*"], 60.0)]  # type: ignore[attr-defined]
    (changed,) = shell.lines("user", "change", "ann", "--enable", "--entitlements", "null", "--password", "--json")
    assert (changed["disabled"], changed["entitlements"], changed["roles"]) == (False, None, ["desk"])
    assert changed["password"] != ann["password"]
    (changed,) = shell.lines(
        "key",
        "change",
        str(made["id"]),
        "--name",
        "night",
        "--all-scopes",
        "--from",
        "",
        "--never",
        "--symbols",
        "au*",
        "--json",
    )
    assert (changed["name"], changed["scopes"], changed["cidrs"], changed["ts_expires"]) == ("night", None, [], 0)
    assert [each["symbols"] for each in changed["entitlements"]] == [["au*"]]  # type: ignore[attr-defined]
    assert "was changed" in shell.run("key", "change", str(made["id"]), "--scopes", "md:read", "--days", "1").output

    shell.run("key", "revoke", str(made["id"]))
    assert json.loads(shell.run("key", "show", str(made["id"])).stdout)["ts_revoked"]
    assert shell.run("user", "revoke", "ann").exit_code == 0
    records = shell.lines("audit", "--json", "--limit", "50")
    assert [each["action"] for each in records][:2] == ["access.user_remove", "access.key_revoke"]
    for secret in (first["key"], first["password"], ann["password"], made["key"]):
        assert str(secret) not in json.dumps(records)
    table = shell.run("key", "list").output
    assert str(made["id"]) in table

    for words, code, text in (
        (("user", "change", "admin", "--disable"), Exit.FAILED, "admin: expected one who remains, this is the last"),
        (("user", "change", "robot"), Exit.USAGE, "options: expected something to change, was nothing"),
        (("user", "change", "robot", "--entitlements", "{"), Exit.USAGE, "entitlements: "),
        (
            ("user", "change", "robot", "--entitlements", "[]", "--venues", "x"),
            Exit.USAGE,
            "options: expected --entitl",
        ),
        (("user", "change", "robot", "--password"), Exit.USAGE, "password: expected none for a service account"),
        (
            ("user", "change", "nobody", "--role", "viewer"),
            Exit.FAILED,
            "user: expected one that there is, was 'nobody'",
        ),
        (("key", "change", str(made["id"]), "--days", "1", "--never"), Exit.USAGE, "options: expected --scopes or"),
        (("key", "change", str(made["id"]), "--scopes", "sys:operate"), Exit.FAILED, "scopes: expected those of robot"),
        (("key", "change", "nokey"), Exit.USAGE, "options: expected something to change, was nothing"),
        (("key", "change", "nokey", "--name", "x"), Exit.FAILED, "key: expected one that there is, was 'nokey'"),
        (("user", "revoke", "admin"), Exit.FAILED, "admin: expected one who remains, this is the last"),
        (("user", "revoke", "nobody"), Exit.FAILED, "user: expected one that there is, was 'nobody'"),
        (("user", "add", "Ann B"), Exit.USAGE, "id: expected 1 to 32 of a-z"),
        (("user", "add", "bob", "--role", "king"), Exit.USAGE, "roles: expected roles that there are, was 'king'"),
        (("user", "add", "robot"), Exit.FAILED, "User robot: expected revision 0, it was changed"),
        (("key", "add", "nobody"), Exit.FAILED, "owner: expected a user that there is, was 'nobody'"),
        (("key", "add", "robot", "--scopes", "all"), Exit.USAGE, "scopes: expected some of"),
        (("key", "add", "robot", "--days", "-1"), Exit.USAGE, "days: expected more than 0"),
        (("key", "revoke", "../x"), Exit.FAILED, "key: expected one that there is, was '../x'"),
        (("role", "revoke", "viewer"), Exit.FAILED, "role: expected one of your own, viewer comes with the product"),
        (("session", "show", "x"), Exit.FAILED, "session: expected one that there is, was 'x'"),
        (("signer", "show", "x"), Exit.FAILED, "signer: expected one that there is, was 'x'"),
        (("session", "revoke", "x"), Exit.FAILED, "session: expected one that there is, was 'x'"),
        (("who", "nobody"), Exit.FAILED, "name: expected one that there is, was 'nobody'"),
    ):
        assert shell.fails(code, *words).startswith(text)

    asyncio.run(change(url, msgspec.structs.replace(KEY, id=str(made["id"]), ts_expires=1)))
    assert not json.loads(shell.run("who", str(made["id"])).stdout)["valid"]
    asyncio.run(change(url, SIGNER))
    assert json.loads(shell.run("signer", "show", SIGNER.id).stdout)["instance"] == "api-1"
    asyncio.run(change(url, SESSION))
    assert json.loads(shell.run("session", "show", SESSION.id).stdout)["user"] == "robot"
    asyncio.run(change(url, FAMILY))
    kinds = [(each["kind"], each["id"]) for each in shell.lines("session", "list", "--json")]
    assert kinds == [("browser", SESSION.id), ("program", FAMILY.id)]
    for each in (SESSION.id, FAMILY.id):
        assert "was ended" in shell.run("session", "revoke", each).output
    assert shell.lines("session", "list", "--json") == []
    asyncio.run(change(url, User(id="admin", roles=("admin",), is_disabled=True)))
    (second,) = shell.lines("init", "--json")
    assert second["user"] == "admin-2"  # what admin had is not good again
    first_keys = [each for each in shell.lines("key", "list", "--json") if each["name"] == "first"]
    assert {str(each["owner"]) for each in first_keys} == {"admin", "admin-2"}


def test_without_nats_it_says_so(tmp_path: Path) -> None:
    assert "no NATS answers" in Shell("nats://127.0.0.1:9", tmp_path).fails(Exit.NATS, "user", "list")
