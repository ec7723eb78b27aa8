"""The read API's answers over a store in memory: the same bytes for the same request as ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from marketprism_application.errors import StoreError
from marketprism_sdk.errors import NoResponders, RemoteError
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
