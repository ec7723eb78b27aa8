"""Requests that services publish by themselves: found, let in, answered by who has them; nothing of others is taken."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
import openapi_spec_validator
import pytest

from marketprism_adapters.http.operation import Operation
from marketprism_application.access.scopes import Scope
from marketprism_sdk.messaging import (
    INTERFACE,
    REGISTRY,
    HttpInterface,
    InstanceRecord,
    NatsBus,
    RpcServer,
    ServiceInterface,
)
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_sdk.observability import Metrics
from marketprism_sdk.testing import Child
from marketprism_services.api.published.interfaces import MOST_KNOWN
from marketprism_services.api.published.route_table import RouteTable
from tests.integration.api.access_side import Answer, Gateway, gateway
from tests.integration.api.operated import jobs_of

pytestmark = pytest.mark.timeout(120)


@contextlib.asynccontextmanager
async def process_of(nats_url: str, name: str, version: str = "1") -> AsyncIterator[Child]:
    """The example service as a process of its own."""
    command = [sys.executable, "-m", "tests.integration.api.operated", nats_url, name, version]
    child = Child(command, lambda _child, _line: None)
    await child.start()
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):  # the test has ended it
            child.kill()
        await child.end()


async def until(api: Gateway, path: str, key: str, fits: Callable[[Answer], bool]) -> Answer:
    async with asyncio.timeout(30):
        while not fits(found := await api.ask("GET", path, key)):
            await asyncio.sleep(0.05)
    return found


@pytest.mark.long
async def test_a_service_of_its_own_process_is_reached_with_no_change_to_the_gateway(
    nats_url: str, unique: str
) -> None:
    async with gateway(nats_url) as api:
        viewer = await api.key(await api.user("viewer"), limits="bulk")
        operator = await api.key(await api.user("operator"), limits="bulk")
        path = f"/api/v1/{unique}/jobs"
        assert (await api.ask("GET", path, viewer)).code == "NOT_FOUND"
        async with process_of(nats_url, unique, "3") as child:
            assert (await until(api, path, viewer, lambda each: each.status == 200)).data == []
            assert (await api.ask("POST", f"{path}/a", viewer, {"count": 2})).code == "FORBIDDEN"
            assert (await api.ask("GET", path)).code == "UNAUTHENTICATED"
            assert (await api.ask("POST", f"{path}/a", operator, {"count": 2})).data == 1
            found = await api.ask("GET", f"{path}/a?verbose=true", viewer)
            assert {**found.data, "caller": "?"} == {
                "name": "a",
                "count": 2,
                "verbose": True,
                "caller": "?",
                "sees_all": True,
                "version": "3",
            }
            assert found.data["caller"].startswith("key:")
            assert found.headers["Cache-Control"] == "no-store"
            for wrong, field in ((f"{path}/a?verbose=x", "verbose"), (f"{path}/a?nope=1", "nope")):
                answer = await api.ask("GET", wrong, viewer)
                assert (answer.code, answer.body["error"]["details"]) == ("INVALID_PARAMETER", {"field": field})
            assert (await api.ask("GET", f"{path}/a?name=b", viewer)).code == "INVALID_PARAMETER"
            assert (await api.ask("GET", f"{path}/none", viewer)).code == "NOT_FOUND"
            wrong_method = await api.ask("DELETE", f"{path}/a", operator)
            assert (wrong_method.status, wrong_method.headers["Allow"]) == (405, "GET, POST")
            assert (await api.ask("GET", f"{path}/a/b/c", viewer)).code == "NOT_FOUND"
            assert (await api.ask("GET", f"/api/v1/{unique}/%2e%2e/jobs", viewer)).code == "INVALID_PATH"
            await check_documents(api, unique)
            child.kill()
            gone = await until(api, path, viewer, lambda each: each.status == 503)
            assert (gone.code, gone.headers["Retry-After"]) == ("UNAVAILABLE", "1")
        async with process_of(nats_url, unique, "4"):
            await until(api, path, viewer, lambda each: each.status == 200)
        (record,) = [each for _, each in await api.service.access.audit_log.newest(50) if unique in each.target]
        assert (record.action, record.target) == ("service.call", f"POST {path}/{{name}}")
        assert record.after["values"] == {"name": "a", "count": 2}


async def check_documents(api: Gateway, name: str) -> None:
    document = (await api.ask("GET", "/api/v1/openapi.json")).body
    own = {path: each for path, each in document["paths"].items() if path.startswith(f"/api/v1/{name}/")}
    openapi_spec_validator.validate({**document, "paths": own})  # the whole takes ten seconds
    show = document["paths"][f"/api/v1/{name}/jobs/{{name}}"]["get"]
    assert {(each["name"], each["in"], each["required"]) for each in show["parameters"]} == {
        ("name", "path", True),
        ("verbose", "query", False),
    }
    assert show["x-scope"] == "sys:read"
    add = document["paths"][f"/api/v1/{name}/jobs/{{name}}"]["post"]
    body = add["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"count", "labels"}
    index = (await api.ask("GET", "/api/v1")).data
    assert f"/api/v1/{name}/jobs" in {each["path"] for each in index}


async def test_the_gateways_own_answers_stay_as_they_are(nats_url: str) -> None:
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("admin"), limits="bulk")
        for method, path, status in (
            ("PUT", "/api/v1/me", 405),
            ("POST", "/api/v1/system", 405),
            ("GET", "/api/v1/nowhere", 404),
            ("GET", "/api/v1/me/nowhere", 404),
            ("GET", "/api/v1/", 404),
            ("PROPFIND", "/api/v1/nowhere/x", 404),
        ):
            answer = await api.ask(method, path, key)
            assert answer.status == status, (path, answer)
        assert (await api.ask("PUT", "/api/v1/me", key)).headers["Allow"] == "GET, HEAD"


async def test_two_versions_have_each_what_they_declare(nats_url: str, connection: NatsConnection, unique: str) -> None:
    first, second = jobs_of(connection, unique, "1"), jobs_of(connection, unique, "2")
    stops = [asyncio.Event(), asyncio.Event()]
    running = [asyncio.create_task(each.run(stop)) for each, stop in zip((first, second), stops, strict=True)]
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("operator"), limits="bulk")
        await until(api, f"/api/v1/{unique}/jobs", key, lambda each: each.status == 200)
        seen = set()
        async with asyncio.timeout(20):
            while len(seen) < 2:
                if not {"a"} <= first.jobs.keys() & second.jobs.keys():  # each instance has its own
                    await api.ask("POST", f"/api/v1/{unique}/jobs/a", key, {})
                    continue
                found = await api.ask("GET", f"/api/v1/{unique}/jobs/a", key)
                if found.status == 200:
                    seen.add(found.data["version"])
        assert seen == {"1", "2"}
    for stop in stops:
        stop.set()
    await asyncio.gather(*running)


class Foreign:
    """A process that speaks the protocol, and says what it likes."""

    def __init__(self, connection: NatsConnection, service: str, answer: bytes, digest: str) -> None:
        self._connection, self._service, self._answer, self._digest = connection, service, answer, digest
        self.asked = 0

    async def start(self) -> None:
        instance = f"{self._service}-1"
        server = RpcServer(NatsBus(self._connection), self._service, instance, Metrics("foreign"))

        async def interface(_: bytes) -> bytes:
            self.asked += 1
            return self._answer

        server.add_raw(INTERFACE, interface)
        await server.start()
        registry = await NatsKeyValue.open(self._connection, REGISTRY, ttl_s=5.0)
        record = InstanceRecord(self._service, instance, "1", "active", 1, 1, metadata={"interface": self._digest})
        await registry.put(record.key, msgspec.msgpack.encode(record))


def offered(
    service: str, *paths: str, scope: str = "sys:read", method: str = "GET", weight: int = 1
) -> ServiceInterface:
    requests = tuple(HttpInterface(method, path, scope, weight) for path in paths)
    return ServiceInterface(service, "1", (), requests)


async def test_a_foreign_service_takes_no_path_of_the_gateway_and_speaks_for_nobody_else(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    cases: Sequence[tuple[str, ServiceInterface, str, str]] = (
        ("admin", offered("admin", "/api/v1/admin/users"), "", "the gateway does not have"),
        ("me", offered("me", "/api/v1/me/keys"), "", "the gateway does not have"),
        (f"{unique}a", offered(f"{unique}a", "/api/v1/access"), "", "expected one behind"),
        (f"{unique}b", offered(f"{unique}b", f"/api/v1/{unique}bc/x"), "", "expected one behind"),
        (f"{unique}c", offered("gateway", "/api/v1/gateway/x"), "", "expected that of"),
        (f"{unique}d", offered(f"{unique}d", f"/api/v1/{unique}d/x"), "0" * 24, "expected the digest"),
        (f"{unique}e", offered(f"{unique}e", f"/api/v1/{unique}e/x", scope="god"), "", "expected one of md:read"),
        (f"{unique}f", offered(f"{unique}f", f"/api/v1/{unique}f/../x"), "", "path: expected at most"),
    )
    for service, interface, digest, _ in cases:
        await Foreign(connection, service, msgspec.msgpack.encode(interface), digest or interface.digest).start()
    await Foreign(connection, f"{unique}g", b"\xc1", "1" * 24).start()
    async with gateway(nats_url) as api:
        key = await api.key(await api.user("admin"), limits="bulk")

        def why_of(answer: Answer) -> dict[str, str]:
            return {each["service"]: each["why"] for each in answer.data["refused"]}

        wanted = {service for service, *_ in cases} | {f"{unique}g"}
        found = await until(api, "/api/v1/system", key, lambda each: wanted <= why_of(each).keys())
        refused = why_of(found)
        for service, _, _, text in cases:
            assert text in refused[service], (service, refused[service])
        assert "expected one, was something else" in refused[f"{unique}g"]
        assert (await api.ask("GET", "/api/v1/admin/users", key)).status == 200
        assert (await api.ask("GET", "/api/v1/access", key)).code == "NOT_FOUND"
        assert not [each for each in api.service.published.table.requests() if each.service in wanted]


async def test_a_flood_of_registrations_leaves_room_for_the_others(
    nats_url: str, connection: NatsConnection, unique: str
) -> None:
    registry = await NatsKeyValue.open(connection, REGISTRY, ttl_s=5.0)

    async def flood() -> None:
        for number in range(400):
            service = f"a{unique}{number}"  # sorted before all others
            record = InstanceRecord(service, "x", "1", "active", 1, 1, metadata={"interface": f"{number:024x}"})
            await registry.put(record.key, msgspec.msgpack.encode(record))

    async with gateway(nats_url) as api:
        key = await api.key(await api.user("viewer"), limits="bulk")
        await flood()
        async with process_of(nats_url, unique):
            await until(api, f"/api/v1/{unique}/jobs", key, lambda each: each.status == 200)
            assert (await api.ask("GET", "/api/v1/system", key)).status == 200
            assert len(list(api.service.interfaces.known())) < MOST_KNOWN


def test_requests_that_differ_in_braces_alone_have_names_of_their_own() -> None:
    from marketprism_services.api.openapi import api_document  # noqa: PLC0415 (loads pyarrow)

    paths = ("/api/v1/jobs/{id}", "/api/v1/jobs/id")
    document = api_document((), "1", [Operation(path, "One.", tag="jobs", data={}) for path in paths])
    assert [document["paths"][path]["get"]["operationId"] for path in paths] == ["jobs_id", "jobs_id__2"]


def test_of_two_declarations_the_first_stands_and_literal_parts_go_before_values() -> None:
    one = ServiceInterface(
        "jobs",
        "1",
        (),
        (
            HttpInterface("GET", "/api/v1/jobs/{id}", "sys:read"),
            HttpInterface("GET", "/api/v1/jobs/newest", "sys:read"),
            HttpInterface("GET", "/api/v1/jobs", "sys:read"),
        ),
    )
    other = ServiceInterface("jobs", "2", (), (HttpInterface("GET", "/api/v1/jobs/{name}", "admin:access"),))
    table = RouteTable((one, other), frozenset({"me"}))
    (refused,) = table.not_served
    assert "as another version of the service declares it" in refused.why
    found, methods = table.find("jobs", "GET", ("newest",))
    assert found is not None
    assert (found.declared.path, methods) == ("/api/v1/jobs/newest", {"GET"})
    by_value, _ = table.find("jobs", "GET", ("x",))
    assert by_value is not None
    assert (by_value.scope, by_value.values_of(("x",)), by_value.digests) == (Scope.SYSTEM, {"id": "x"}, {one.digest})
    assert table.find("jobs", "GET", ("",))[0] is None
    assert table.find("jobs", "POST", ("x",)) == (None, {"GET"})
