"""What the query service says of itself: its store, and what there is."""

from __future__ import annotations

import pytest

from tests.integration.query.read_side import Serve, filled, serve

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("clickhouse")]

__all__ = ["filled", "serve"]


async def test_health_and_status_know_the_store_and_the_index_lists_what_there_is(serve: Serve) -> None:
    api = await serve()
    own = f"http://127.0.0.1:{api.query.http.port}"
    async with api.session.get(f"{own}/health") as answer:
        assert (await answer.json())["dependencies"]["store"] == "healthy"
    async with api.session.get(f"{own}/status") as answer:
        shown = await answer.json()
    assert shown["instruments"] == 2
    assert shown["store"]["asked"] == "by itself"
    assert "writer" in shown["store"], "why its watermarks are not known: no storage runs here"
    async with api.session.get(f"{api.base}/api/v1") as answer:
        listed = {each["path"] for each in (await answer.json())["data"]}
    assert {"/api/v1/bars/{symbols}", "/api/v1/openapi.json"} <= listed
    for path, status in (("/api/v1?x=1", 400), ("/api/v1/openapi.json?x=1", 400), ("/api/v2", 404)):
        async with api.session.get(api.base + path) as answer:
            assert (answer.status, (await answer.json())["success"]) == (status, False)
