"""A gateway that lets in only whoever signs in, and people at browsers of their own before it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Browser

from marketprism_adapters.nats.local_server import EmbeddedOptions, EmbeddedServer
from marketprism_application.contracts.access_records import User
from tests.integration.api.access_side import PASSWORD, Gateway, gateway
from tests.support.console import Viewer, viewer

T = TypeVar("T")


class Doors:
    """The gateway, in a loop of its own: the browser is driven from this thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, gateway: Gateway) -> None:
        self._loop = loop
        self.gateway = gateway
        self.base = gateway.base

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine gives that runs where the gateway does."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def user(self, *roles: str, **more: Any) -> User:
        """A new user, whose password is PASSWORD."""
        return self.run(self.gateway.user(*roles, **more))


@asynccontextmanager
async def _gateway(folder: Path, settings: dict[str, Any]) -> AsyncIterator[Gateway]:
    server = await EmbeddedServer.start(EmbeddedOptions(folder, port=0))
    try:
        async with gateway(server.url, **settings) as made:
            yield made
    finally:
        await server.stop()


@contextmanager
def beside(entered: AbstractAsyncContextManager[T]) -> Iterator[tuple[asyncio.AbstractEventLoop, T]]:
    """Something that runs in a loop and a thread of its own, with that loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="beside")
    thread.start()
    try:
        made = asyncio.run_coroutine_threadsafe(entered.__aenter__(), loop).result(120)
        try:
            yield loop, made
        finally:
            asyncio.run_coroutine_threadsafe(entered.__aexit__(None, None, None), loop).result(120)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def doors(folder: Path, **settings: Any) -> Iterator[Doors]:
    """A gateway and its NATS, as long as they are needed."""
    with beside(_gateway(folder, settings)) as (loop, made):
        yield Doors(loop, made)


@contextmanager
def signed_in(
    browser: Browser,
    at: Doors,
    user: User,
    path: str = "/me",
    *,
    language: str = "en",
    theme: str = "dark",
    width: int = 1440,
) -> Iterator[Viewer]:
    """Somebody at a browser of their own, who has signed in by the form."""
    with viewer(browser, at.base, language=language, theme=theme, width=width) as seen:
        seen.page.goto(at.base + path)
        enter(seen, user.id)
        seen.until("!document.querySelector('mp-sign-in')")
        seen.page.wait_for_selector("#content h1")
        seen.problems.clear()  # that nobody was signed in before is no fault
        yield seen


def enter(seen: Viewer, name: str, password: str = PASSWORD) -> None:
    """Fill the form in and send it."""
    seen.page.wait_for_selector("#sign-in-name")
    seen.page.fill("#sign-in-name", name)
    seen.page.fill("#sign-in-password", password)
    seen.page.press("#sign-in-password", "Enter")


def faults(seen: Viewer, *refusals: int) -> list[str]:
    """What went wrong, beside answers of these statuses, which are meant, and what nobody waited for any more."""
    meant = re.compile(rf"(: |status of )({'|'.join(map(str, refusals))})\b") if refusals else re.compile("(?!)")
    return [each for each in seen.problems if not meant.search(each) and "ERR_ABORTED" not in each]
