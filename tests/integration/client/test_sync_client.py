"""The client without an event loop: in scripts, in notebooks that have one, from threads, and at Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest

from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.subjects import tick_subject
from marketprism_client import QueryFailed, SyncMarketClient, UnknownSymbol
from marketprism_sdk.errors import NotConnected
from marketprism_sdk.nats.connection import NatsConnection
from tests.contract.test_codec import SAMPLES
from tests.integration.query.read_side import OPENED, Serve, filled, serve

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("clickhouse")]

__all__ = ["filled", "serve"]


@pytest.fixture
def ticking(nats_url: str) -> Iterator[str]:
    """URL of a server on which ticks of ru1901 and rb1901 come, from a thread with a loop of its own."""
    stop = threading.Event()

    async def go() -> None:
        connection = await NatsConnection.open(nats_url)
        seq = 0
        while not stop.is_set():
            seq += 1
            for symbol in ("ru1901", "rb1901"):
                await connection.publish(
                    tick_subject(symbol), encode(TICK, SAMPLES["tick"]._replace(symbol=symbol, seq=seq))
                )
            await asyncio.sleep(0.002)
        await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(go()))
    thread.start()
    yield nats_url
    stop.set()
    thread.join()


async def test_days_totals_and_terms_of_several_instruments_are_whole(serve: Serve) -> None:
    api = await serve()

    def read() -> tuple[object, ...]:
        with SyncMarketClient(api.url) as market:
            days = market.daily("rb*").table.column("symbol").to_pylist()
            totals = market.statistics(["rb2505", "rb2510"]).table.column("symbol").to_pylist()
            terms = market.instruments("rb").table.column("symbol").to_pylist()
            return sorted(set(days)), totals, terms, len(market.instruments("rb", limit=1))

    days, totals, terms, first = await asyncio.to_thread(read)
    assert days == ["rb2505", "rb2510"], "a pattern is over what has ticks or bars"
    assert totals == ["rb2505", "rb2510"]
    assert terms == ["rb2505", "rb2510"]
    assert first == 1


def test_live_data_is_iterated_over(ticking: str) -> None:
    with SyncMarketClient(ticking) as market:
        seqs = [tick.seq for tick in islice(market.ticks("ru1901"), 50)]
        assert seqs == list(range(seqs[0], seqs[0] + 50))
        with market.ticks("r*") as both:
            assert {next(both).symbol for _ in range(10)} == {"ru1901", "rb1901"}
        assert market.dropped == market.malformed == 0


def test_it_needs_no_with_and_connects_again(ticking: str) -> None:
    market = SyncMarketClient(ticking)
    assert next(market.ticks("ru1901")).symbol == "ru1901"
    market.close()
    market.close()
    assert next(market.ticks("rb1901")).symbol == "rb1901"
    market.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "marketprism-client"]


async def test_it_works_inside_a_running_loop_as_a_notebook_has(serve: Serve) -> None:
    api = await serve()
    cell = f"""
    import asyncio
    from marketprism_client import SyncMarketClient

    async def inside():
        with SyncMarketClient("{api.url}") as market:
            answer = market.bars("rb2505", "1m", {OPENED})
            frame = answer.to_pandas()
            print(len(answer), frame["close"].mean(), frame.index.tz)

    asyncio.run(inside())
    """
    assert await asyncio.to_thread(printed, cell) == "10 1.5 Asia/Shanghai\n"


def printed(code: str) -> str:
    """What a program prints that ends well and complains of nothing."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


async def test_questions_and_their_errors_are_those_of_the_other_client(serve: Serve) -> None:
    api = await serve()

    def script(url: str) -> None:
        with SyncMarketClient(url, tz="UTC") as market:
            with pytest.raises(UnknownSymbol, match="rb2505"):
                market.bars("rb2550", "1m")
            with pytest.raises(UnknownSymbol, match="rb2505"):
                next(market.ticks("rb2550"))
            with pytest.raises(QueryFailed, match="interval"):
                market.bars("rb2505", "fast")
            tick = market.latest_tick("rb2505")
            assert tick is not None
            stood = market.book("rb2505", tick.ts_event)
            assert stood is not None
            assert stood.seq == tick.seq
            assert str(market.bars("rb2505", "1m").to_pandas().index.tz) == "UTC"  # type: ignore[attr-defined]
            assert sum(len(page) for page in market.history.pages("tick", "rb2505")) == 25_000
            assert sum(len(page) for page in market.tick_pages("rb2505")) == 25_000
            with ThreadPoolExecutor(4) as pool:
                found = list(pool.map(lambda _: len(market.bars("rb2505", "1m")), range(8)))
            assert found == [10] * 8

    await asyncio.to_thread(script, api.url)


@pytest.mark.long
def test_nobody_there_is_the_error_of_the_call() -> None:
    market = SyncMarketClient("nats://127.0.0.1:9")
    for _ in range(2):
        with pytest.raises(NotConnected):
            market.symbols()
    with pytest.raises(NotConnected), SyncMarketClient("nats://127.0.0.1:9"):
        pass
    assert not [thread for thread in threading.enumerate() if thread.name == "marketprism-client"]


@pytest.mark.parametrize("closing", ["with", "nothing"])
def test_ctrl_c_ends_what_is_waited_for(nats_url: str, closing: str) -> None:
    """Nothing comes, Ctrl-C does: one KeyboardInterrupt, no words of the client's own."""
    code = f"""
    from marketprism_client import SyncMarketClient

    market = SyncMarketClient("{nats_url}")
    if "{closing}" == "with":
        market.__enter__()
    stream = market.live.ticks("nothing", wait=True)
    print("waiting", flush=True)
    try:
        next(stream)
    except KeyboardInterrupt:
        print("interrupted")
    if "{closing}" == "with":
        market.__exit__(None, None, None)
    """
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "waiting\n"
    while not waits_in_a_lock(program.pid):
        assert program.poll() is None
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out, err) == (0, "interrupted\n", "")


def waits_in_a_lock(pid: int) -> bool:
    """Whether the main thread of a process sleeps on a futex, as one does that waits for another thread."""
    try:
        waiting = Path(f"/proc/{pid}/task/{pid}/syscall").read_text().split()[0]
    except (OSError, IndexError):
        return True  # the kernel does not say: the signal is right at any moment
    return waiting == "202"


def test_a_sample_of_the_sdk_prints_only_what_it_prints_itself(nats_url: str) -> None:
    text = (Path(__file__).parents[3] / "sdk" / "README.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", code, nats_url], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert (len(lines), "counts under epoch" in lines[0], lines[1]) == (2, True, "1"), done.stdout
