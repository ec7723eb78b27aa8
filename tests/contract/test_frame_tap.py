"""FrameTap: one suite over what keeps raw frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from marketprism_adapters.capture.find import capture_files
from marketprism_adapters.capture.tap import CaptureSettings, CaptureTap
from marketprism_application.ports.sources import Channel, FrameTap

A, B = Channel("ws-1", "okx"), Channel("ws-2", "okx")
Frame = tuple[int, Channel, bytes]


class Tapped(NamedTuple):
    """A tap, and everything that it kept, in the order of its arrival, once it is closed."""

    tap: FrameTap
    frames: Callable[[], list[Frame]]


@pytest.fixture(params=["capture"])
def tapped(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tapped]:
    assert request.param == "capture"
    tap = CaptureTap(CaptureSettings(), tmp_path)
    tap.start()

    def frames() -> list[Frame]:
        tap.stop()
        return [(f.ts_recv, f.channel, bytes(f.payload)) for file in capture_files(tmp_path) for f in file.read()]

    yield Tapped(tap, frames)
    tap.stop()


def test_frames_come_back_with_their_channel_and_time(tapped: Tapped) -> None:
    given = [(5, A, b"one"), (6, B, b""), (7, A, bytes(range(256)) * 20)]
    for ts_recv, channel, payload in given:
        tapped.tap.frame(channel, payload, ts_recv)
    assert tapped.frames() == given


def test_a_frame_without_a_time_has_that_of_its_arrival(tapped: Tapped) -> None:
    before = time.time_ns()
    tapped.tap.frame(A, b"x")
    after = time.time_ns()
    ((ts_recv, channel, payload),) = tapped.frames()
    assert before <= ts_recv <= after
    assert (channel, payload) == (A, b"x")


def test_frames_of_many_threads_are_all_kept_in_the_order_of_each(tapped: Tapped) -> None:
    channels = [Channel(f"ws-{n}", "okx") for n in range(4)]

    def send(channel: Channel) -> None:
        for number in range(500):
            tapped.tap.frame(channel, b"%d" % number, number + 1)

    threads = [threading.Thread(target=send, args=(channel,)) for channel in channels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    frames = tapped.frames()
    for channel in channels:
        assert [int(payload) for _, of, payload in frames if of == channel] == list(range(500))
