"""The read API's answers over a store in memory: the same bytes for the same request as ever, and what it says of
itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest

from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.questions import QUESTIONS
from marketprism_application.errors import StoreError
from marketprism_sdk.errors import NoResponders, RemoteError
from marketprism_services.api.read.openapi import operations, read_api_document
from tests.integration.query.served_api import Served, served

__all__ = ["served"]

GOLDEN: dict[str, tuple[int, str, str]] = json.loads(
    (Path(__file__).parents[2] / "golden/read_api.json").read_text(encoding="ascii")
)


async def test_the_answers_are_the_bytes_that_they_always_were(served: Served) -> None:
    assert len(GOLDEN) > 60
    for path, expected in GOLDEN.items():
        assert list(await served.get(path)) == expected, path


@pytest.mark.parametrize(
    ("error", "status", "code", "message"),
    [
        (StoreError("away", retryable=True), 503, "UNAVAILABLE", "away"),
        (NoResponders("nobody"), 503, "UNAVAILABLE", "nobody"),
        (RemoteError("OVERLOADED", "busy"), 503, "UNAVAILABLE", "OVERLOADED: busy"),
        (RemoteError("INVALID_PARAMETER", "depth: expected less"), 400, "INVALID_PARAMETER", "depth: expected less"),
        (ExceptionGroup("two", [StoreError("first"), StoreError("second")]), 503, "UNAVAILABLE", "first"),
    ],
)
async def test_an_error_is_what_its_code_says(
    served: Served, error: Exception, status: int, code: str, message: str
) -> None:
    served.broken = error
    answered, _, body = await served.get("symbols")
    assert (answered, json.loads(body)["error"]) == (status, {"code": code, "message": message, "details": {}})


# -- what it says of itself ----------------------------------------------------------------------------------------------


def references(of: Any) -> set[str]:
    """Every `$ref` of a document."""
    if isinstance(of, dict):
        own = {of["$ref"]} if isinstance(of.get("$ref"), str) else set()
        return own.union(*(references(each) for each in of.values()))
    return set().union(*(references(each) for each in of)) if isinstance(of, list) else set()


def test_the_document_is_whole() -> None:
    document = json.loads(json.dumps(read_api_document("1.2.3")))
    assert (document["openapi"], document["info"]["version"]) == ("3.1.0", "1.2.3")
    for reference in references(document):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found, reference
    schemas = document["components"]["schemas"]
    assert {cls.__name__ for cls in QUESTIONS.values()} <= set(schemas)
    assert {kind.model.__name__ for kind in KINDS.values()} <= set(schemas)
    assert schemas["Daily"]["properties"]["method"] == {"enum": ["daily"]}
    assert schemas["Bar"]["properties"]["open"] == {"type": "string", "format": "decimal"}
    names = [path["get"]["operationId"] for path in document["paths"].values()]
    assert len(set(names)) == len(names) == len(list(operations()))
    for path, item in document["paths"].items():
        (method,) = item
        operation = item[method]
        assert {"operationId", "summary", "parameters", "responses"} <= set(operation), path
        assert "200" in operation["responses"], path
        in_path = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
        assert sorted(in_path) == sorted(re.findall("{([a-z]+)}", path)), path
        keys = [(each["name"], each["in"]) for each in operation["parameters"]]
        assert len(set(keys)) == len(keys), path
        assert all(each["required"] == (each["in"] == "path") and each["schema"] for each in operation["parameters"])


def test_the_document_is_one_of_openapi() -> None:
    openapi_spec_validator.validate(json.loads(json.dumps(read_api_document("1"))))


def described(path: str) -> list[str]:
    """Paths of the document that a route serves: of `{kind:a|b}` each."""
    found = re.search("{kind:([^}]+)}", path)
    return [path.replace(found[0], name) for name in found[1].split("|")] if found else [path]


def test_each_route_is_in_the_document(served: Served) -> None:
    served_paths = {path for route in served.endpoints for path in described(route.path)}
    documented = set(read_api_document("1")["paths"])
    assert served_paths <= documented
    elsewhere = {"ticks/{symbol}/latest", "bars/{symbol}/latest", "orderbook/{venue}/{symbol}", "openapi.json"}
    assert documented - served_paths == {f"/api/v1/{path}" for path in elsewhere}
