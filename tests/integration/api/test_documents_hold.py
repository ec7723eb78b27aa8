"""What the OpenAPI document says is what is served: every endpoint, every status, every type, every schema."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks as conformance

from marketprism_adapters.http.openapi import codes_of
from marketprism_services.api.openapi import described, served_paths
from tests.integration.api.described_api import DescribedApi, described_api

__all__ = ["described_api"]

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("clickhouse")]
EXAMPLES = 3  # of each kind, of each of some thirty requests
ENDLESS = "/api/v1/stream"  # events
few = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
# Values that are right, and right beside one another.
RIGHT: dict[str, list[Any]] = {
    "tz": ["UTC", "Asia/Shanghai", "+08:00"],
    "times": ["ns", "iso"],
    "format": ["json", "csv", "arrow", "parquet", "msgpack"],
    "from": ["2018-10-09", "2018-10-09T09:00:05"],
    "to": ["2018-10-10", "1541030400"],
    "from_day": ["2018-10-09"],
    "to_day": ["20181010"],
    "levels": ["flat", "nested", 2],
    "limit": [1, 3, 200],
    "interval": ["5m"],
    "fields": ["symbol,venue"],
    "at": ["2018-10-09T09:00:20"],
    "search": ["ru"],
    "text": ["ru", "橡胶 1901"],
    "class": ["future"],
    "adjust": ["none", "ratio"],
}


def _is_answered(_: object, response: Any, __: object) -> None:
    """No 5xx, except that whoever would answer is away: no gateway follows a book here."""
    assert response.status_code < 500 or response.status_code == 503, response.content


CHECKS = [
    _is_answered,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_headers_conformance,
    conformance.response_schema_conformance,
]


@pytest.fixture(scope="module")
def openapi(described_api: DescribedApi) -> Any:
    """The document, as it is served."""
    found = requests.get(f"{described_api.base}/api/v1/openapi.json", timeout=30).json()
    config = schemathesis.Config.from_dict({"base-url": described_api.base, "phases": {"coverage": {"enabled": False}}})
    return schemathesis.openapi.from_dict(found, config=config).exclude(path=ENDLESS)


@schemathesis.serializer("application/msgpack")
def packed(_: object, value: Any) -> bytes:
    """Bytes of a body; numbers that MessagePack does not have are left to what reads them."""
    try:
        return msgpack.packb(value)
    except (OverflowError, UnicodeEncodeError):
        return b"\xc1"


any_request = schemathesis.pytest.from_fixture("openapi").exclude(path=ENDLESS)


@pytest.mark.long
@any_request.parametrize()
@few
def test_no_answer_is_a_surprise_whatever_is_asked(case: Any) -> None:
    case.validate_response(case.call(), checks=CHECKS)


def ask_rightly(operation: Any) -> None:
    """Right values of its parameters, in any company, and then the example of each."""
    given_by = {each["name"]: each for each in operation.definition.raw["parameters"]}
    path = {name: each["example"] for name, each in given_by.items() if each["in"] == "path"}
    names = [name for name, each in given_by.items() if each["in"] == "query"]
    right = {name: st.sampled_from(RIGHT[name]) for name in names if name in RIGHT}
    if operation.path.startswith(("/api/v1/dominant/", "/api/v1/products")):
        del right["fields"]  # its rows have others
    needed = {name: right.pop(name) for name in names if name == "interval"}
    status = 503 if operation.path == "/api/v1/orderbook/{venue}/{symbol}" else 200  # no gateway follows a book

    @few
    @given(query=st.fixed_dictionaries(needed, optional=right))
    def ask(query: dict[str, Any]) -> None:
        case = operation.Case(path_parameters=path, query=query)
        response = case.call()
        case.validate_response(response, checks=CHECKS)
        assert response.status_code == status, (operation.path, query, response.content)

    if names:
        ask()
    shown = {name: given_by[name]["example"] for name in names if "example" in given_by[name]}
    response = operation.Case(path_parameters=path, query=shown).call()
    assert response.status_code == status, (operation.path, shown, response.content)


def test_what_is_asked_rightly_is_answered_as_described(openapi: Any) -> None:
    operations = [each.ok() for each in openapi.get_all_operations()]
    # Of users, keys and commands there are those that somebody made, and of providers there is none; rows that were set
    # aside the storage service has, and rules the validators. Older paths are those of perpetuals and of the data service.
    own = (
        "/api/dates/",
        "/api/kline/",
        "/api/top-gainers",
        "/api/v1/rules",
        "/api/v1/me",
        "/api/v1/admin/",
        "/api/v1/auth/oidc/",
        "/api/v1/commands/{id}",
        "/api/v1/dead-letters/",
        "/api/v1/system/instances/",
        "/api/v1/system/streams/{name}",
    )
    reading = [each for each in operations if each.method == "get" and not each.path.startswith(own)]
    assert len(reading) > 30
    for operation in reading:
        ask_rightly(operation)


def test_what_is_served_is_described_and_what_is_described_is_served(described_api: DescribedApi) -> None:
    served = {(each.method, path) for each in described_api.endpoints for path in served_paths(each)}
    found = requests.get(f"{described_api.base}/api/v1/openapi.json", timeout=30).json()
    shown = {(method.upper(), path) for path, item in found["paths"].items() for method in item}
    assert shown == {each for each in served if each[1].startswith("/api")}
    assert shown == {(each.method, each.path) for each in described()}


def test_what_the_server_refuses_by_itself_has_a_code_that_is_described(described_api: DescribedApi) -> None:
    for method, path, headers in (
        ("GET", "/api/v1/nothing", {}),
        ("POST", "/api/v1/symbols", {}),
        ("GET", "/api/v1/symbols", {"Host": "elsewhere.example"}),
        ("GET", "/api/v1/..%5c", {}),
        ("GET", "/api/v1/symbols?x=1", {}),
    ):
        answer = requests.request(method, described_api.base + path, headers=headers, timeout=30)
        assert answer.json()["error"]["code"] in codes_of(answer.status_code), path
