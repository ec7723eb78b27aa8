"""What comes over HTTP and WebSocket: parameters and bodies of every operation, frames, requests, credentials, addresses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec
from aiohttp import web
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request

from marketprism_adapters.http.operation import Operation
from marketprism_application.access.principal import Principal
from marketprism_application.access.scopes import Scope
from marketprism_application.errors import ApplicationError, QueryError
from marketprism_domain.errors import InvalidValue
from marketprism_sdk.messaging import HttpInterface, ServiceInterface
from marketprism_services.api.access.bodies import body_of
from marketprism_services.api.access.credentials import check_page, check_url, cookie_of, shown_by
from marketprism_services.api.caller_address import address_of, find_caller
from marketprism_services.api.older import data_requests as older
from marketprism_services.api.openapi import described
from marketprism_services.api.operate.bodies import object_in
from marketprism_services.api.published.route_table import RouteTable
from marketprism_services.api.read.parameters import Parameters
from marketprism_services.notifier.alertmanager import alerts_of
from marketprism_services.settings.api import ApiSettings
from tests.fuzzing.examples import example
from tests.fuzzing.mutation import choosing, mutated_bytes, mutated_json, words
from tests.fuzzing.target import Target, expect, text_of

_FIELD = re.compile(r"\{([a-z_]+)\}")
_ALL = Principal("fuzz", "user", frozenset(Scope))


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation that the documents describe."""
    return tuple(described())


def _models(operation: Operation) -> list[type[Parameters]]:
    return [each for each in operation.parameters if issubclass(each, Parameters)]


# -- parameters ----------------------------------------------------------------------------------------------------


def _parameters(data: bytes) -> None:
    """The first byte says which operation it is; the rest is a query, values of its path among it."""
    wanted = [each for each in operations() if _models(each)]
    operation = wanted[data[0] % len(wanted) if data else 0]
    given = parse_qsl(text_of(data[1:]), keep_blank_values=True)
    names = set(_FIELD.findall(operation.path))
    match = {name: value for name, value in given if name in names and value}
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in given if name not in names)
    request = make_mocked_request(operation.method, f"/x?{query}", match_info=match)
    for model in _models(operation):
        found = model.of(request)
        for name in ("days", "rows", "written_in", "book_levels", "question"):
            ask = getattr(found, name, None)
            if callable(ask):
                ask()


def _parameter_seeds() -> list[bytes]:
    usual = {
        "symbol": "ru1901",
        "symbols": "ru1901,cu1905",
        "from": "2018-10-08",
        "to": "2018-10-09T21:00",
        "from_day": "20181008",
        "to_day": "2018-10-09",
        "limit": "10",
        "last": "5",
        "after": "1,2",
        "interval": "1m",
        "tz": "Asia/Shanghai",
        "format": "json",
        "fields": "open,close",
        "levels": "5",
        "venue": "shfe",
    }
    found = []
    for number, operation in enumerate(each for each in operations() if _models(each)):
        names = {field.alias or name for model in _models(operation) for name, field in model.model_fields.items()}
        some = {name: usual.get(name, "1") for name in sorted(names)}
        found += [
            bytes([number]) + "&".join(f"{name}={quote(value)}" for name, value in part).encode()
            for part in (list(some.items()), list(some.items())[:3])
        ]
    return found


# -- bodies --------------------------------------------------------------------------------------------------------


def _request(body: bytes, path: str = "/x", **headers: str) -> web.Request:
    reader = StreamReader(_Protocol(), 2**20)  # type: ignore[arg-type]
    reader.feed_data(body)
    reader.feed_eof()
    given = {"Content-Type": "application/json", **headers}
    return make_mocked_request("POST", path, headers=given, payload=reader)


class _Protocol:
    """What a body's reader asks of its connection: nothing has to be paused."""

    _reading_paused = False

    def pause_reading(self) -> None: ...

    def resume_reading(self, *, resume_parser: bool = True) -> None: ...


def _body_types() -> list[type[Any]]:
    found = {
        each.body: None
        for each in operations()
        if isinstance(each.body, type) and issubclass(each.body, msgspec.Struct)
    }
    return list(found)


def _body(data: bytes) -> None:
    """A body of an operation, read as its type; then as any object, as operators' requests are."""
    types = _body_types()
    asyncio.run(_read_both(types[data[0] % len(types) if data else 0], data[1:]))


async def _read_both(kind: type[Any], body: bytes) -> None:
    with contextlib.suppress(QueryError):
        await object_in(_request(body))
    found = await body_of(_request(body), kind)
    expect(isinstance(found, kind), "a body of another type")


def _body_seeds() -> list[bytes]:
    return [bytes([n]) + msgspec.json.encode(example(kind, number=1)) for n, kind in enumerate(_body_types())]


_OLDER = (older.download, older.check, older.report, older.recheck, older.repair, older.top_gainers, older.dates)


def _older(data: bytes) -> None:
    """A request in an older project's words."""
    try:
        given = msgspec.json.decode(data[1:], type=dict[str, object])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    _OLDER[data[0] % len(_OLDER)](given)


def _older_seeds() -> list[bytes]:
    series = {"symbol": "BTCUSDT", "interval": "1h", "start": "2024-01-01", "end": 1_704_153_600_000, "mode": "missing"}
    bodies = (series, {"symbols": "BTCUSDT,ETHUSDT", "days_back": 3}, {"job_id": "a", "symbols": ["BTC-USDT-PERP"]})
    return [bytes([n]) + json.dumps(body).encode() for n in range(len(_OLDER)) for body in bodies]


def _alerts(data: bytes) -> None:
    for alert in alerts_of(data):
        expect(alert.id and alert.name, "an alert without a name")


def _alert_seeds() -> list[bytes]:
    alert = {
        "status": "firing",
        "labels": {"alertname": "A", "severity": "critical"},
        "annotations": {"summary": "http://u:p@h"},
        "startsAt": "2026-01-01T00:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "fingerprint": "f",
    }
    return [json.dumps({"version": "4", "alerts": [alert, alert | {"status": "resolved"}]}).encode()]


# -- who asks ------------------------------------------------------------------------------------------------------


def _caller(data: bytes) -> None:
    """Headers, a line each, of a request that comes through a trusted proxy: credentials, pages, addresses."""
    headers = []
    for line in data.decode("latin-1").split("\n")[:12]:
        name, _, value = line.partition(":")
        if name.isascii() and re.fullmatch(r"[A-Za-z-]{1,30}", name) and not set(value) & set("\r\n\0"):
            headers.append((name, value.strip()))
    for way in ("forwarded", "x-forwarded-for"):
        request = make_mocked_request("POST", "/x?symbol=a", headers=headers)  # type: ignore[arg-type]
        request = request.clone(remote="10.0.0.1")
        find_caller(request, ApiSettings(trusted_proxies=("10.0.0.0/8",), proxy_header=way))  # type: ignore[arg-type]
        expect(address_of(request).isprintable(), "an address that a terminal would obey")
        for check in (check_url, shown_by, cookie_of, check_page):
            with contextlib.suppress(ApplicationError):
                check(request)


def _caller_seeds() -> list[bytes]:
    return [
        b"Authorization: Bearer mp_a_b\nHost: a.example",
        b"X-API-Key: k\nOrigin: https://a.example\nHost: a.example\nSec-Fetch-Site: same-origin",
        b'Forwarded: for=192.0.2.43;proto=https, for="[2001:db8::1]:80"\nCookie: mp_session=a; b=c',
        b"X-Forwarded-For: 1.2.3.4, 10.0.0.2\nX-Forwarded-Proto: https",
    ]


def _published(data: bytes) -> None:
    """What a service says of its requests: nobody's word is believed."""
    try:
        interface = msgspec.json.decode(data, type=ServiceInterface)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    table = RouteTable([interface, interface], frozenset({"ticks", "bars"}))
    expect(len(table.requests()) + len(table.not_served) <= 2 * len(interface.requests) + 2, "more than was said")
    for each in table.requests():
        table.find(each.service, each.declared.method, tuple(part or "x" for part in each.segments))
    for refused in table.not_served:
        json.dumps([refused.service, refused.request, refused.why], ensure_ascii=False).encode()


def _published_seeds() -> list[bytes]:
    plain = example(ServiceInterface, number=1, text="jobs")
    request = example(HttpInterface, number=200, text="read") | {
        "method": "GET",
        "path": "/api/v1/jobs/{id}",
        "weight": 1,
        "timeout_s": 5.0,
        "scope": "read",
    }
    return [
        msgspec.json.encode(plain | {"service": "jobs", "requests": [request, request | {"path": "/api/v1/job/a"}]})
    ]


TARGETS = (
    Target(
        "http-parameters",
        _parameters,
        (QueryError,),
        _parameter_seeds,
        choosing(
            words(
                "&",
                "=",
                "from=",
                "to=",
                "limit=",
                "2018-10-08",
                "tz=",
                "after=1,2",
                ",",
                "%",
                "+08:00",
                "symbol=",
                "ru*",
            ),
            64,
        ),
        frozenset(f"operation:{each.id}" for each in operations() if _models(each)),
    ),
    Target(
        "http-body",
        _body,
        (QueryError,),
        _body_seeds,
        choosing(mutated_json, 32),
        frozenset(
            f"operation:{each.id}"
            for each in operations()
            if isinstance(each.body, type) and issubclass(each.body, msgspec.Struct)
        ),
    ),
    Target("http-older", _older, (QueryError,), _older_seeds, choosing(mutated_json, len(_OLDER))),
    Target("http-alerts", _alerts, (InvalidValue,), _alert_seeds, mutated_json),
    Target("http-caller", _caller, (), _caller_seeds, mutated_bytes),
    Target("http-published", _published, (), _published_seeds, mutated_json),
)
