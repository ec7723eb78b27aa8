"""What a gateway's session says of itself: one suite over the metrics and registry of a service, and over memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marketprism_adapters.memory.gateway import MemoryObserver
from marketprism_application.errors import SourceError
from marketprism_application.ports.gateway import SessionObserver, SessionStatus
from marketprism_application.ports.sources import ResumePoint
from marketprism_sdk.observability import Metrics
from marketprism_services.gateway.session_watch import RegistryStatus, SessionWatch

Count = Callable[[str], float]


@pytest.fixture(params=["metrics", "memory"])
def observed(request: pytest.FixtureRequest) -> tuple[SessionObserver, Count]:
    """An observer, and the way to read what it has counted: `messages`, `ticks` or `refused <reason>`."""
    if request.param == "memory":
        memory = MemoryObserver()
        return memory, lambda name: memory.counts[name]
    metrics = Metrics("gateway")

    def count(name: str) -> float:
        if name.startswith("refused "):
            reason = name.removeprefix("refused ")
            lines = [line for line in metrics.text().decode().splitlines() if f'reason="{reason}"' in line]
            return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("frames_refused_total"))
        return metrics.total(f"{name}_received_total")

    return SessionWatch(metrics, "shfe"), count


def test_what_is_received_and_refused_is_summed(observed: tuple[SessionObserver, Count]) -> None:
    observer, count = observed
    for _ in range(3):
        observer.received(2, 5)
    observer.refused("checksum", 4)
    observer.refused("checksum", 1)
    observer.refused("header", 7)
    assert (count("messages"), count("ticks")) == (6, 15)
    assert (count("refused checksum"), count("refused header")) == (5, 7)


def test_how_long_ticks_took_to_the_log_is_counted_and_shown() -> None:
    metrics = Metrics("gateway")
    watch = SessionWatch(metrics, "shfe")
    for milliseconds in (2, 1, 900, -5):
        watch.took(milliseconds / 1e3)
    assert watch.stages.status() == {"receive": {"p50": 1.0, "p99": 2.0}}
    assert 'tick_stage_seconds_count{stage="receive"} 4.0' in metrics.text().decode()


def test_no_word_of_a_session_raises(observed: tuple[SessionObserver, Count]) -> None:
    observer, _ = observed
    observer.resumed(ResumePoint())
    observer.subscribed(3, 0)
    observer.took(0.001)
    observer.events_lost(["MarketHalted"], RuntimeError("away"))
    observer.retrying(SourceError("expected a front, none answers", retryable=True), None)
    observer.retrying(SourceError("expected a front, none answers", retryable=True), 0.5)


@pytest.fixture(params=["registry", "memory"])
def status(request: pytest.FixtureRequest) -> tuple[SessionStatus, Callable[[], list[str]]]:
    """A status, and the words under which it was seen, in order."""
    if request.param == "memory":
        memory = MemoryObserver()
        return memory, lambda: [str(each[0]) for each in memory.seen]
    announced: list[str] = []

    async def announce(state: str, **metadata: Any) -> None:
        announced.append({"waiting": "waiting", "": "wanted"}.get(metadata.get("connection", "-"), state))

    return RegistryStatus(announce), lambda: announced


async def test_a_status_is_seen_in_order(status: tuple[SessionStatus, Callable[[], list[str]]]) -> None:
    session, seen = status
    await session.waiting(3, None)
    await session.waiting(3, 1_700_000_000_000_000_000)
    await session.wanted(3)
    await session.finished(12)
    await session.failed(SourceError("expected a file, was none"))
    assert seen() == ["waiting", "waiting", "wanted", "finished", "failed"]
