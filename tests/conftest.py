"""Shared fixtures: recordings, a real nats-server, the calendar."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Generator, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import structlog
from blockbuster import BlockBuster
from structlog.testing import capture_logs

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_sdk.nats.connection import NatsConnection
from tests.support.clickhouse import serve_clickhouse
from tests.support.nats_server import running_nats

with contextlib.suppress(ImportError):  # an extra
    import pandas  # noqa: F401 (pyarrow imports it at first use, which would be inside some test's loop)

hypothesis.settings.register_profile("marketprism", deadline=None)  # a busy machine fails no example
hypothesis.settings.load_profile("marketprism")
os.environ["MARKETPRISM_LANG"] = "en"  # what tests expect, whatever the locale of who runs them

OURS = [
    "marketprism_domain",
    "marketprism_application",
    "marketprism_adapters",
    "marketprism_services",
    "marketprism_sdk",
    "marketprism_client",
]
ROOT = Path(__file__).parents[1]
FIXTURES = Path(os.environ.get("MARKETPRISM_FIXTURES", ROOT.parent / "shared" / "fixtures"))


# Groups that one worker runs one after the other, the longest first: what begins last must not be what takes longest.
_FIRST = ("e2e", "clickhouse", "console", "desks", "sites", "venues", "cluster", "attacks", "gateway", "backtest")


def pytest_itemcollected(item: pytest.Item) -> None:
    """With the parameters that it names, a test of the mark `long_on` is `long`."""
    parameters = set(re.split(r"[\[\]-]", item.name))
    if any(not parameters.isdisjoint(mark.args) for mark in item.iter_markers("long_on")):
        item.add_marker(pytest.mark.long)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long groups first. Raises UsageError where pytest-xdist takes groups apart, as it does under pytest 9.2."""

    def rank(item: pytest.Item) -> int:
        groups = {str(mark.args[0]) for mark in item.iter_markers("xdist_group")}
        return min((_FIRST.index(group) for group in groups if group in _FIRST), default=len(_FIRST))

    items.sort(key=rank)
    grouped = [item for item in items if rank(item) < len(_FIRST)]
    if config.getoption("loadgroup", False) and not all("@" in item.nodeid for item in grouped):
        raise pytest.UsageError("tests of one group would run side by side: expected a pytest that pytest-xdist knows")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded with the tests stays to the end: looking through it for garbage again and again is work for
    nothing."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: compressed ones hold the time they were made, and every worker makes its own."""
    return argname if isinstance(val, bytes | bytearray) else None


@pytest.fixture
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged meanwhile, warnings included."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    with capture_logs() as found:
        yield found
    structlog.configure(**before)


@pytest.fixture(autouse=True, scope="session")
def quiet_logs() -> None:
    """Only errors: the tests provoke warnings by the hundred."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


@pytest.fixture(autouse=True)
def as_quiet_as_ever() -> None:
    """Whatever a test before has configured: what it leaves behind must not show in the output of the next one."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


@pytest.fixture(scope="session")
def blocking_calls() -> BlockBuster:
    """The calls that block, with the places where they may."""
    watcher = BlockBuster(scanned_modules=OURS)
    del watcher.functions["threading.Lock.acquire"]  # a mutex that is held for microseconds
    watcher.functions["os.read"].can_block_in("subprocess.py", "_execute_child")  # until the child has begun
    for name in ("io.BufferedReader.read", "io.TextIOWrapper.read"):
        watcher.functions[name].can_block_in("metrics.py", "rss_bytes")  # /proc is no disk
    for name in ("io.BufferedReader.read", "os.listdir"):
        watcher.functions[name].can_block_in("process_collector.py", {"_boot_time", "collect"})
    watcher.functions["os.listdir"].can_block_in("_http_limits.py", "room")
    return watcher


@pytest.fixture(autouse=True)
def no_blocking_calls(request: pytest.FixtureRequest, blocking_calls: BlockBuster) -> Iterator[None]:
    """A call of ours that blocks the event loop fails the test: it would hold up heartbeats and everybody else."""
    if "tests/chaos/" in request.node.nodeid:
        yield  # those start processes and servers from the loop, and nothing waits for it
        return
    blocking_calls.activate()
    yield
    blocking_calls.deactivate()


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The folder of recordings and reference tables."""
    if not FIXTURES.is_dir():
        pytest.skip(f"no recordings at {FIXTURES} (set MARKETPRISM_FIXTURES)")
    return FIXTURES


@pytest.fixture(scope="session")
def calendar() -> MarketCalendar:
    """The market calendar every service uses."""
    return chinese_calendar_of_markets()


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real nats-server with JetStream, from its wheel."""
    with running_nats(tmp_path_factory.mktemp("nats")) as url:
        yield url


@pytest.fixture(scope="session")
def clickhouse_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real ClickHouse server over HTTP: one that is named, or one of our own.

    Whoever uses it is in the group `clickhouse`.
    """
    named = os.environ.get("MARKETPRISM_CLICKHOUSE_URL")
    if named:
        yield named
        return
    with serve_clickhouse(tmp_path_factory.mktemp("clickhouse")) as (url, _):
        yield url


@pytest.fixture(scope="session")
def clickhouse_both_urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server over HTTP and over its native protocol.

    Not the one of `clickhouse_url`: this build of the library can end by what is done to its native port.
    """
    named = os.environ.get("MARKETPRISM_CLICKHOUSE_URL"), os.environ.get("MARKETPRISM_CLICKHOUSE_NATIVE_URL")
    if named[0] and named[1]:
        yield named[0], named[1]
        return
    with serve_clickhouse(tmp_path_factory.mktemp("native"), native=True) as urls:
        yield urls


@pytest.fixture(scope="session")
def clickhouse_native_url(clickhouse_both_urls: tuple[str, str]) -> str:
    """A server over its native protocol."""
    return clickhouse_both_urls[1]


@pytest.fixture
async def connection(nats_url: str) -> AsyncIterator[NatsConnection]:
    """A connection to it."""
    opened = await NatsConnection.open(nats_url, name="test")
    yield opened
    await opened.close()


@pytest.fixture
def unique() -> str:
    """A name that no other test uses."""
    return f"t{secrets.token_hex(5)}"


Eventually = Callable[[Callable[[], object]], object]


@pytest.fixture
def eventually() -> Callable[..., object]:
    """Wait until a condition holds; a generous deadline, because machines are shared."""

    async def wait(condition: Callable[[], object], deadline_s: float = 20.0) -> object:
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        while loop.time() < end:
            if result := condition():
                return result
            await asyncio.sleep(0.02)
        raise AssertionError(f"condition did not hold within {deadline_s:g} s")

    return wait
