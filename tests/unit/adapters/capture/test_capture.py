"""Captured frames: whole, in order, found by time, bounded, and played again as they came."""

from __future__ import annotations

import asyncio
import contextlib
import re
import struct
import threading
import time
import zlib
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketprism_adapters.capture.files import INDEX, SUFFIX, BlockWriter, CaptureFile
from marketprism_adapters.capture.find import capture_files, channels_of, runs_of
from marketprism_adapters.capture.settings import CaptureSettings
from marketprism_adapters.capture.tap import CaptureTap
from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_adapters.sources.captured import CaptureSource
from marketprism_adapters.synthetic.plan import parse_plan
from marketprism_adapters.synthetic.source import SimulatedVenue
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import Channel, MarketSource
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.support.recordings import part_of

A, B = Channel("ws-1", "x"), Channel("ws-2", "y")
Frames = list[tuple[int, Channel, bytes]]


def written(path: Path, blocks: list[Frames]) -> CaptureFile:
    writer = BlockWriter(path)
    for block in blocks:
        writer.write(block)
    writer.close()
    return CaptureFile(path)


frames = st.lists(
    st.tuples(st.integers(0, 2**62), st.sampled_from([A, B]), st.binary(max_size=70_000)), min_size=1, max_size=8
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blocks=st.lists(frames, min_size=1, max_size=4), window=st.tuples(st.integers(0, 2**62), st.integers(0, 2**62)))
def test_frames_come_back_as_they_were(tmp_path: Path, blocks: list[Frames], window: tuple[int, int]) -> None:
    path = tmp_path / f"{time.monotonic_ns()}{SUFFIX}"
    ordered = sorted((frame for block in blocks for frame in block), key=lambda frame: frame[0])
    cut = max(1, len(ordered) // len(blocks))
    parts = [ordered[n : n + cut] for n in range(0, len(ordered), cut)]
    file = written(path, parts)
    assert (file.frames, file.truncated) == (len(ordered), 0)
    assert [tuple(frame) for frame in file.read()] == ordered
    low, high = sorted(window)
    assert [tuple(frame) for frame in file.read(low, high)] == [f for f in ordered if low <= f[0] < high]
    path.with_suffix(INDEX).unlink()
    assert CaptureFile(path).blocks == file.blocks


def test_what_a_crash_cut_off_ends_the_file_and_damage_inside_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / f"r-1{SUFFIX}"
    file = written(path, [[(n, A, b"%d" % n * 50)] for n in range(10)])
    data = path.read_bytes()
    last = file.blocks[-1]
    for cut in range(last.offset + 1, len(data), 7):
        path.write_bytes(data[:cut])
        short = CaptureFile(path)
        assert [frame.ts_recv for frame in short.read()] == list(range(9))
        assert short.truncated == cut - last.offset
    path.write_bytes(data[: last.offset - 20] + b"\x00" * 20 + data[last.offset :])
    with pytest.raises(SourceError, match="block 8: expected checksum"):
        list(CaptureFile(path).read())
    path.write_bytes(b"something else")
    with pytest.raises(SourceError, match="expected a capture file, it begins with b'somethi'"):
        CaptureFile(path)
    with pytest.raises(SourceError, match="expected a readable file"):
        CaptureFile(tmp_path / "none")
    with pytest.raises(SourceError, match="expected files of run any, found none"):
        capture_files(tmp_path / "empty")


def test_files_rotate_each_can_be_read_alone_and_the_oldest_go(tmp_path: Path) -> None:
    tap = CaptureTap(CaptureSettings(rotate_mb=20_000 / 2**20, keep_gb=80_000 / 2**30), tmp_path)
    noise = __import__("random").Random(1)
    for _ in range(3):
        tap.start()
        for _ in range(30):
            for _ in range(10):
                tap.frame(A, noise.randbytes(1_000))
            deadline = time.monotonic() + 5
            while tap._waiting and time.monotonic() < deadline:
                with tap._lock:
                    tap._lock.notify()
                time.sleep(0.001)
        tap.stop()
    files = sorted(tmp_path.glob(f"*{SUFFIX}"))
    assert tap.frames == 900
    assert 2 <= len(files) <= 6
    assert sum(path.stat().st_size for path in files) <= 100_000
    assert all(list(CaptureFile(path).read()) for path in files)
    assert len(runs_of(tmp_path)) <= 3
    assert {path.with_suffix(INDEX) for path in files} == set(tmp_path.glob(f"*{INDEX}"))


def test_a_slow_disk_drops_and_counts_and_never_blocks(tmp_path: Path) -> None:
    tap = CaptureTap(CaptureSettings(buffer_mb=10_000 / 2**20), tmp_path)
    for n in range(100):
        tap.frame(A, b"x" * 1_000, n + 1)
    assert tap.dropped == 90
    tap.start()
    tap.stop()
    assert (tap.frames, tap.error) == (10, "")


def test_a_disk_that_is_full_is_tried_again_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "capture"
    folder.write_text("in the way")
    tap = CaptureTap(CaptureSettings(), folder)
    tap.frame(A, b"1", 1)
    tap.start()
    deadline = time.monotonic() + 5
    while not tap.failures and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "exists" in tap.error
    folder.unlink()
    threading.Timer(0.1, tap.stop).start()
    while tap._thread is not None and time.monotonic() < deadline + 5:
        time.sleep(0.01)
    assert (tap.failures, tap.dropped, tap.frames, tap.error) == (1, 0, 1, "")
    assert [frame.payload for frame in capture_files(folder)[0].read()] == [b"1"]


async def all_ticks(source: MarketSource) -> list[Tick]:
    await source.connect()
    found: list[Tick] = []
    async for batch in source.stream({}):
        found += batch.ticks
    await source.close()
    return found


@pytest.mark.long
async def test_captured_frames_make_the_same_ticks_again(
    fixtures: Path, tmp_path: Path, calendar: MarketCalendar
) -> None:
    names = ("ru1901_20181009", "AP010_20200803")
    recordings = [part_of(fixtures / f"ctp/ticks/{name}.csv.gz", tmp_path, slice(10_000)) for name in names]
    tap = CaptureTap(CaptureSettings(rotate_mb=100_000 / 2**20), tmp_path / "a")
    tap.start()
    first = await all_ticks(ReplaySource(recordings, calendar, tap=tap))
    tap.stop()
    assert len(list((tmp_path / "a").glob(f"*{SUFFIX}"))) > 2
    assert await all_ticks(CaptureSource(tmp_path / "a", calendar)) == first
    channels = await asyncio.to_thread(lambda: channels_of(capture_files(tmp_path / "a")))
    assert {channel.name for channel in channels} == {
        "ru1901_20181009",
        "AP010_20200803",
    }
    size = sum(path.stat().st_size for path in (tmp_path / "a").glob("*"))
    assert size < 2 * sum(path.stat().st_size for path in recordings)


async def test_a_simulation_is_captured_too_and_strange_frames_are_refused(
    tmp_path: Path, calendar: MarketCalendar
) -> None:
    tap = CaptureTap(CaptureSettings(), tmp_path)
    tap.start()
    plan = parse_plan("rate=0.2,days=1,instruments=rb2505")
    first = await all_ticks(SimulatedVenue(plan, calendar, tap=tap))
    tap.stop()
    again = await all_ticks(CaptureSource(tmp_path, calendar))
    assert [tick._replace(ts_recv=0) for tick in again] == [tick._replace(ts_recv=0) for tick in first]
    await asyncio.to_thread(written, tmp_path / f"99999999-1{SUFFIX}", [[(1, B, b"?")]])
    with pytest.raises(
        SourceError,
        match=r"channel ws-2: expected frames that recording.csv, ticks.msgpack, ctp.depth or vnpy.tick can read, was y",
    ):
        await CaptureSource(tmp_path, calendar).connect()
    (tmp_path / f"99999999-1{SUFFIX}").unlink()
    (tmp_path / f"99999999-1{INDEX}").unlink()
    await asyncio.to_thread(written, tmp_path / f"99999999-2{SUFFIX}", [[(1, Channel("t", "ticks.msgpack"), b"?")]])
    with pytest.raises(SourceError, match="expected"):
        await all_ticks(CaptureSource(tmp_path, calendar, run="99999999"))


def made(path: Path, entries: object, *, raw: int | None = None, body: bytes | None = None) -> Path:
    """A file of one block, as anybody may have written it."""
    plain = entries if isinstance(entries, bytes) else msgspec.msgpack.encode(entries)
    data: bytes = pa.Codec("zstd").compress(plain, asbytes=True) if body is None else body
    header = struct.pack(">4sIIIqqI", b"BLCK", len(data), len(plain) if raw is None else raw, 1, 1, 2, zlib.crc32(data))
    path.write_bytes(b"MPCAP\x01\n" + header + data)
    return path


NAME = {"name": "x", "decoder": "y"}


@pytest.mark.parametrize(
    ("entries", "raw", "said"),
    [
        ([[1, 7, b"x"]], None, "block 0: expected bytes of a channel with a name, was 7"),
        ([[1, 0, {"x": 1}], [1, 0, b"x"]], None, "expected a channel's name and decoder"),
        ([[1, 0, {"name": 1, "decoder": []}]], None, "expected a channel's name and decoder"),
        ([[1, 0, {"name": "\x1b]0;owned\x07", "decoder": "y"}]], None, "in printable letters"),
        ([[1, 0, NAME], [1, 0, 7]], None, "expected bytes of a channel"),
        ([[1, 0, NAME], [1, 0, None]], None, "expected bytes of a channel"),
        ([["x", 0, NAME]], None, "expected frames"),
        ([[1]], None, "expected frames"),
        (b"\xdd\xff\xff\xff\xff\x01", None, "expected frames"),
        (b"\xdd\xff\xff\xff\xff", 1 << 30, "bytes unpacked, was 1073741824"),
        ([[1, 0, NAME]], 3, "expected frames"),
        (b"\x91" * 200_000, None, "expected frames"),
    ],
)
def test_a_file_that_somebody_else_made_is_refused_by_what_is_wrong_in_it(
    tmp_path: Path, entries: object, raw: int | None, said: str
) -> None:
    path = made(tmp_path / f"a{SUFFIX}", entries, raw=raw)
    with pytest.raises(SourceError, match=re.escape(said)):
        channels_of([CaptureFile(path)])


@pytest.mark.parametrize("index", [bytes(32), b"x" * 32, struct.pack(">QIqqI", 7, 20, 5, -5, 2**31)])
def test_an_index_that_lies_ends_nothing(tmp_path: Path, index: bytes) -> None:
    path = made(tmp_path / f"a{SUFFIX}", [[1, 0, NAME], [1, 0, b"z"]])
    path.with_suffix(INDEX).write_bytes(index)
    found: dict[Channel, int] = {}
    with contextlib.suppress(SourceError):
        found = channels_of([CaptureFile(path)])
    assert found in ({}, {Channel("x", "y"): 1})
