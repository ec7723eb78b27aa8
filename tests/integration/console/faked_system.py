"""A system that is as a test has it: the gateway's answer is another one, and its channels are refused."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Page, Route, WebSocketRoute

from tests.support.console import Viewer

HOSTILE = ["<img src=x onerror=alert(1)>", "=HYPERLINK(1)", "\u202eevil\u202c", "x" * 200, "验证器-1"]


def wrong(seen: Viewer) -> list[str]:
    """What went wrong; a request that is not waited for because the page is left is not."""
    return [each for each in seen.problems if "ERR_ABORTED" not in each]


def text_of(seen: Viewer, selector: str) -> str:
    return seen.page.locator(selector).first.inner_text().strip()


def refuse_channels(page: Page) -> None:
    """A gateway that gives no channel of the system."""

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def asked(message: str | bytes) -> None:
            request = json.loads(message)
            if request.get("op") != "subscribe":
                server.send(message)
                return
            for each in request["channels"]:
                text = {
                    "type": "error",
                    "id": request["id"],
                    "ch": each["ch"],
                    "code": "FORBIDDEN",
                    "message": "expected sys:read",
                }
                socket.send(json.dumps(text))

        socket.on_message(asked)

    page.route_web_socket("**/ws/v1/stream", between)


def answering(page: Page, data: dict[str, Any]) -> None:
    """The system as somebody else's answer has it."""

    def answer(route: Route) -> None:
        route.fulfill(json={"success": True, "data": data, "message": "", "request_id": "r"})

    page.route("**/api/v1/system", answer)


def instance(service: str, name: str, **others: object) -> dict[str, object]:
    row: dict[str, object] = {
        "service": service, "instance": name, "version": "1", "group": "", "status": "active", "health": "healthy",
        "reason": "", "is_silent": False, "quiet_s": 0.1, "ts_started": 1_795_811_342_219_439_860, "ts_heartbeat": 0,
        "endpoints": {}, "interface": "", "connection": "", "partitions": None, "is_leader": None, "epoch": None,
    }  # fmt: skip
    return row | others


def a_system(**others: object) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ts": 1,
        "services": [],
        "instances": [],
        "leaders": [],
        "shards": [],
        "streams": [],
        "lags": {"stages": [], "partitions": {}, "accepted": 0, "rejected": {}, "bars": {}, "source_error": ""},
        "stores": [],
        "alerts": [],
        "missing": {},
    }
    return found | others
