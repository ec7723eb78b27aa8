"""What the API says of itself: versions, documents, and the page that shows them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import aiohttp
import jsonschema
import msgspec
import openapi_spec_validator
import pytest
from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered
from marketprism_adapters.http.openapi import document
from marketprism_adapters.http.operation import Operation
from marketprism_application.access.principal import LOCAL, Principal
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.failures import CONSEQUENCES, http_code
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.questions import QUESTIONS
from marketprism_application.contracts.subjects import subject_of
from marketprism_sdk.observability import Metrics
from marketprism_services.api.asyncapi import api_document as asyncapi_document
from marketprism_services.api.documents import DocumentsApi
from marketprism_services.api.door import Door
from marketprism_services.api.endpoint import Endpoint
from marketprism_services.api.openapi import api_document, described
from marketprism_services.api.stream.system_channels import SYSTEM_CHANNELS
from marketprism_services.api.versions import Lifecycle, Version, lifecycle_headers, lifecycle_of
from marketprism_services.settings.api import ApiSettings
from tests.contract.test_codec import SAMPLES


async def _nothing(request: web.Request) -> web.Response:
    response = answered(None, "nothing", Stamp.of(request))
    if "more" in request.query:
        response.headers["Link"] = '</api/v1/old?after=1>; rel="next"'
    return response


OLD = Endpoint(
    "GET",
    "/api/v1/old",
    _nothing,
    Scope.READ,
    deprecated=date(2026, 1, 1),
    sunset=date(2026, 11, 1),
    successor="/api/v2/new",
)
# What the documents are about here: everything that is described, without what answers it.
ALL = [*(Endpoint(each.method, each.path, _nothing, Scope.HISTORY) for each in described()), OLD]


class Shown:
    """The documents behind a door."""

    def __init__(self) -> None:
        self.who: Principal | None = LOCAL
        self._door = Door(ApiSettings(access_log="off", per_second=10_000), Metrics("api"), self._authenticate)

    async def _authenticate(self, _: web.Request) -> Principal | None:
        return self.who

    async def start(self) -> None:
        app = web.Application()
        self._door.install(app)
        endpoints = [*DocumentsApi("1.2.3", lambda: ALL).endpoints(), OLD]
        app.add_routes([self._door.guarded(each) for each in endpoints])
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._session = aiohttp.ClientSession(f"http://127.0.0.1:{self._runner.addresses[0][1]}")

    async def get(self, path: str, **headers: str) -> tuple[int, bytes, Any]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.get(path, headers=given) as answer:
            return answer.status, await answer.read(), answer.headers.copy()

    async def stop(self) -> None:
        await self._session.close()
        await self._runner.cleanup()


@pytest.fixture
async def shown() -> AsyncIterator[Shown]:
    made = Shown()
    await made.start()
    yield made
    await made.stop()


def references(of: Any) -> set[str]:
    """Every `$ref` of a document."""
    if isinstance(of, dict):
        own = {of["$ref"]} if isinstance(of.get("$ref"), str) else set()
        return own.union(*(references(each) for each in of.values()))
    return set().union(*(references(each) for each in of)) if isinstance(of, list) else set()


def check_references(found: Any) -> None:
    for reference in references(found):
        at = found
        for part in reference.removeprefix("#/").split("/"):
            at = at[part.replace("~1", "/")]
        assert at, reference


# -- OpenAPI -------------------------------------------------------------------------------------------------------------


def test_the_openapi_document_is_whole() -> None:
    found = json.loads(msgspec.json.encode(api_document(ALL, "1.2.3")))
    openapi_spec_validator.validate(found)
    assert (found["openapi"], found["info"]["version"]) == ("3.1.0", "1.2.3")
    check_references(found)
    schemas = found["components"]["schemas"]
    assert {cls.__name__ for cls in QUESTIONS.values()} <= set(schemas)
    assert {kind.model.__name__ for kind in KINDS.values()} <= set(schemas)
    assert schemas["Daily"]["properties"]["method"] == {"enum": ["daily"]}
    assert schemas["Bar"]["properties"]["open"] == {"type": "string", "format": "decimal"}
    operations = [(path, operation) for path, item in found["paths"].items() for operation in item.values()]
    names = [operation["operationId"] for _, operation in operations]
    assert len(set(names)) == len(names) == len(list(described()))
    tags = {each["name"] for each in found["tags"]}
    for path, operation in operations:
        assert set(operation["tags"]) <= tags, path
        statuses = set(operation["responses"])
        assert {"400", "401", "403", "415", "429", "500", "503"} <= statuses, path
        assert statuses & {"200", "201", "202", "302"}, path
        assert operation["security"] == [{"apiKey": ["md:history"]}, {"bearer": ["md:history"]}], path
        given = [(each["name"], each["in"]) for each in operation["parameters"]]
        assert len(set(given)) == len(given), path
        assert sorted(name for name, where in given if where == "path") == sorted(re.findall("{([a-z]+)}", path)), path
        for each in operation["parameters"]:
            assert each["schema"], path
            assert each["required"] or each["in"] == "query", path
            assert "example" in each or each["in"] == "query", path


def test_every_code_of_the_table_is_under_its_status() -> None:
    responses = api_document(ALL, "1")["components"]["responses"]
    for code, consequence in CONSEQUENCES.items():
        _, codes = responses[str(consequence.status)]["content"]["application/json"]["schema"]["allOf"]
        assert http_code(code) in codes["properties"]["error"]["properties"]["code"]["enum"], code


class Key(msgspec.Struct):
    """A key, as it is asked for."""

    name: str
    days: int = 90


def test_a_request_with_a_body_is_described_like_any_other() -> None:
    operation = Operation(
        "/api/v1/me/keys", "Make a key.", data=list[Key], method="POST", body=Key, status=201, scope=Scope.KEYS
    )
    found = json.loads(msgspec.json.encode(document([operation], title="t", version="1")))
    openapi_spec_validator.validate(found)
    described_as = found["paths"]["/api/v1/me/keys"]["post"]
    assert described_as["operationId"] == "post_me_keys"
    assert described_as["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Key"}
    assert described_as["x-scope"] == "keys:self"
    assert set(described_as["responses"]) == {"201", "400", "401", "403", "413", "415", "429", "500", "503"}
    assert found["components"]["schemas"]["Key"]["required"] == ["name"]


async def test_documents_are_sent_once_and_hold_what_is_served(shown: Shown) -> None:
    for path in ("/api/v1/openapi.json", "/api/v1/asyncapi.json", "/api/v1", "/api/docs"):
        status, body, headers = await shown.get(path)
        assert status == 200
        status, again, _ = await shown.get(path, If_None_Match=headers["ETag"])
        assert (status, again) == (304, b""), path
        assert body
        status, body, _ = await shown.get(f"{path}?x=1")
        assert (status, json.loads(body)["error"]["code"]) == (400, "INVALID_PARAMETER")
    _, body, _ = await shown.get("/api/v1")
    listed = json.loads(body)["data"]
    assert {(each["method"], each["path"]) for each in listed} == {(each.method, each.path) for each in described()}
    assert {each["scope"] for each in listed} == {"md:history"}


# -- versions ------------------------------------------------------------------------------------------------------------


async def test_what_will_go_says_so_in_every_answer(shown: Shown) -> None:
    for who, status in ((LOCAL, 200), (None, 401)):
        shown.who = who
        answered_with, _, headers = await shown.get("/api/v1/old?more")
        assert answered_with == status
        assert headers["Deprecation"] == "@1767225600"
        assert headers["Sunset"] == "Sun, 01 Nov 2026 00:00:00 GMT"
        assert '</api/v2/new>; rel="successor-version"' in headers.getall("Link")
    shown.who = LOCAL
    _, _, headers = await shown.get("/api/v1/old?more")
    assert len(headers.getall("Link")) == 2, "the page that follows is named too"
    _, body, headers = await shown.get("/api")
    assert not {"Deprecation", "Sunset", "Link"} & set(headers)
    (version,) = json.loads(body)["data"]
    assert (version["name"], version["state"], version["path"]) == ("v1", "current", "/api/v1")


def test_a_version_that_will_go_takes_its_requests_along() -> None:
    going = Lifecycle(date(2027, 1, 1), date(2028, 1, 1), "/api/v2")
    versions = (Version("v1", going), Version("v2"))
    new = Endpoint("GET", "/api/v2/symbols", _nothing, None)
    assert lifecycle_of(new._replace(path="/api/v1/symbols"), versions) == going
    assert lifecycle_of(new, versions) == Lifecycle()
    assert lifecycle_of(new._replace(path="/api/v11/symbols"), versions) == Lifecycle()
    assert lifecycle_of(OLD, versions).successor == "/api/v2/new", "its own goes before"
    assert lifecycle_headers(Lifecycle()) == {}
    row = versions[0].as_row()
    assert (row["state"], row["sunset"], row["successor"]) == ("deprecated", "2028-01-01", "/api/v2")
    (shown_as,) = api_document([OLD._replace(path="/api/v1/symbols")], "1")["paths"]["/api/v1/symbols"].values()
    assert (shown_as["deprecated"], shown_as["x-sunset"]) == (True, "2026-11-01")


# -- AsyncAPI ------------------------------------------------------------------------------------------------------------


def test_the_asyncapi_document_is_whole() -> None:
    found = json.loads(msgspec.json.encode(asyncapi_document("1.2.3")))
    assert (found["asyncapi"], found["info"]["version"]) == ("3.0.0", "1.2.3")
    check_references(found)
    channels, operations, messages = found["channels"], found["operations"], found["components"]["messages"]
    assert {channel["address"] for channel in channels.values()} == {
        *(kind.subject for kind in KINDS.values()),
        *SYSTEM_CHANNELS,
        "/ws/v1/stream",
    }
    for name, channel in channels.items():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel.get("parameters", {})), name
        assert all(each["$ref"].removeprefix("#/servers/") in found["servers"] for each in channel["servers"]), name
        for key, each in channel["messages"].items():
            assert messages[each["$ref"].removeprefix("#/components/messages/")]["name"] == key
    carried = set()
    for name, operation in operations.items():
        assert operation["action"] in ("send", "receive"), name
        channel = operation["channel"]["$ref"]
        assert channel.removeprefix("#/channels/") in channels, name
        assert all(each["$ref"].startswith(f"{channel}/messages/") for each in operation["messages"]), name
        carried |= {each["$ref"].rpartition("/")[2] for each in operation["messages"]}
    assert carried == set(messages), "each message belongs to an operation"
    allowed = re.compile(r"^[\w.-]+$")
    assert all(allowed.match(key) for part in found["components"].values() for key in part)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_message_is_what_its_schema_says_and_its_subject_that_of_its_channel(kind: Any) -> None:
    found = json.loads(msgspec.json.encode(asyncapi_document("1")))
    record, schema = SAMPLES[kind.name], found["components"]["schemas"][kind.name]
    message = json.loads(msgspec.json.encode(msgspec.msgpack.decode(encode(kind, record))))
    jsonschema.Draft202012Validator(schema).validate(message)
    assert set(message) <= set(schema["properties"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(message | {"v": kind.version + 1})
    pattern = re.sub(r"\\{\w+\\}", "[^.]+", re.escape(found["channels"][kind.name]["address"]))
    assert re.fullmatch(pattern, subject_of(kind, record))


# -- the page ------------------------------------------------------------------------------------------------------------


async def test_the_page_has_all_it_needs_and_makes_nothing_of_text(shown: Shown) -> None:
    _, page, headers = await shown.get("/api/docs")
    policy = headers["Content-Security-Policy"]
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    named = re.findall(r'(?:src|href)="(/[^"]*)"', page.decode())
    assert named == ["/api/docs/docs.css", "/api/docs/docs.js"]
    everything = page
    for path, content_type in zip(named, ("text/css", "text/javascript"), strict=True):
        status, body, headers = await shown.get(path)
        assert (status, headers["Content-Type"]) == (200, f"{content_type}; charset=utf-8")
        everything += body
    assert not re.search(rb"https?://|innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(", everything)
    assert not re.search(rb"<script>|<style>|\son\w+=|style=|localStorage|sessionStorage|cookie", everything)
    texts = {
        name: set(re.findall(r"[ {](\w+): \"", part.replace('empty: "', "")))
        for name, part in re.findall(r"  (en|zh): {(.*?)\n  },", everything.decode(), re.DOTALL)
    }
    assert texts["en"] == texts["zh"], "each text in both languages"
    used = set(re.findall(r'text\("(\w+)"\)', everything.decode())) | set(
        re.findall(r'data-text="(\w+)"', everything.decode())
    )
    assert used <= texts["en"]
