"""Where a writer begins: the watermark, the store's own record and the stream, and who of them is right."""

from __future__ import annotations

import msgspec
import pytest

from marketprism_application.ports.storage import NO_MESSAGE, Progress, StoreMark, StreamBounds
from marketprism_application.storage.progress import Beginning, beginning

BOUNDS = StreamBounds("made-1", 1, 500)


def known(watermark: int, first: int = 0, last: int = 0, store: str = "A", fill: str = "") -> Progress:
    return Progress("made-1", 3, first, last or watermark, watermark, store, fill)


@pytest.mark.parametrize(
    ("progress", "own", "store", "holds", "expected"),
    [
        pytest.param(Progress(), None, "A", False, Beginning(0), id="nothing was ever stored"),
        pytest.param(known(100), 100, "A", True, Beginning(100), id="as it was left"),
        pytest.param(known(100), 120, "A", True, Beginning(100), id="ended between the record and the watermark"),
        pytest.param(known(100, 110, 150), 100, "A", True, Beginning(100, "", 110, 150), id="a range is open"),
        pytest.param(known(100), None, "B", False, Beginning(0, "other_store"), id="an empty store of a standby"),
        pytest.param(known(100), 70, "B", True, Beginning(70, "other_store"), id="a store that was the leader's once"),
        pytest.param(known(100, 110, 150), 70, "B", True, Beginning(70, "other_store"), id="another store, open range"),
        pytest.param(known(100), 60, "A", True, Beginning(60, "older_copy"), id="restored from a copy"),
        pytest.param(
            known(100), None, "A", True, Beginning(0, "older_copy"), id="restored from before the first record"
        ),
        pytest.param(None, 80, "A", True, Beginning(80, "watermark_unreadable"), id="garbage, the table knows"),
        pytest.param(None, None, "A", False, Beginning(0, "watermark_unreadable"), id="garbage, nobody knows"),
        pytest.param(Progress(), 80, "A", True, Beginning(80, "watermark_lost"), id="lost, the table knows"),
        pytest.param(Progress(), None, "A", True, Beginning(0, "watermark_lost"), id="lost, a store of old"),
        pytest.param(known(900), 480, "A", True, Beginning(480, "watermark_beyond_stream"), id="beyond the stream"),
        pytest.param(known(900), 900, "A", True, Beginning(0, "stream_lost_its_end"), id="the stream lost its end"),
        pytest.param(
            known(100, 490, 510), 100, "A", True, Beginning(100, "watermark_beyond_stream"), id="open range beyond it"
        ),
        pytest.param(known(100, store=""), None, "A", True, Beginning(100), id="a record of old"),
        pytest.param(known(100, 101, 120, store=""), None, "A", True, Beginning(100, "", 101, 120), id="of old, open"),
        pytest.param(known(100, store=""), None, "A", False, Beginning(0, "empty_store"), id="of old, empty tables"),
        pytest.param(
            known(0, store="", fill="f"), 400, "A", True, Beginning(0, "rebuild"), id="a rebuild is asked for"
        ),
        pytest.param(
            Progress("made-0", 3, 0, 900, 900, "A"),
            None,
            "A",
            True,
            Beginning(0, "stream_remade"),
            id="stream made anew",
        ),
        pytest.param(
            Progress("made-0", 3, 0, 900, 900, "A"),
            40,
            "A",
            True,
            Beginning(40, "stream_remade"),
            id="an older watermark",
        ),
    ],
)
def test_the_lower_of_the_two_counts_and_why_is_said(
    progress: Progress | None, own: int | None, store: str, holds: bool, expected: Beginning
) -> None:
    mark = None if own is None else StoreMark(own, 1_000 + own)
    there = 1_000 + own if own is not None and own <= BOUNDS.last else NO_MESSAGE
    assert beginning(progress, mark, store, BOUNDS, holds=holds, there=there) == expected


@pytest.mark.parametrize(
    ("own", "there", "bounds", "expected"),
    [
        pytest.param(StoreMark(100, 7), 7, BOUNDS, Beginning(100), id="the same message"),
        pytest.param(StoreMark(100, 7), 8, BOUNDS, Beginning(0, "stream_lost_its_end"), id="another message"),
        pytest.param(StoreMark(100, 7), NO_MESSAGE, BOUNDS, Beginning(0, "stream_lost_its_end"), id="deleted since"),
        pytest.param(StoreMark(100), 8, BOUNDS, Beginning(100), id="a record of old"),
        pytest.param(StoreMark(100, NO_MESSAGE), NO_MESSAGE, BOUNDS, Beginning(100), id="never a message there"),
        pytest.param(
            StoreMark(100, NO_MESSAGE), 8, BOUNDS, Beginning(0, "stream_lost_its_end"), id="a message where none was"
        ),
        pytest.param(StoreMark(100, 7), NO_MESSAGE, StreamBounds("made-1", 101, 500), Beginning(100), id="aged out"),
        pytest.param(
            StoreMark(100, 7), NO_MESSAGE, StreamBounds("made-1", 101, 100), Beginning(100), id="all aged out"
        ),
        pytest.param(
            StoreMark(100, 7), NO_MESSAGE, StreamBounds("made-1", 1, 0), Beginning(0, "stream_lost_its_end"), id="empty"
        ),
        pytest.param(
            StoreMark(100, 7),
            8,
            StreamBounds("made-1", 60, 500, 7),
            Beginning(59, "stream_lost_its_end"),
            id="what is before the stream's beginning was stored",
        ),
        pytest.param(
            StoreMark(100, 7),
            9,
            StreamBounds("made-1", 60, 500, 8),
            Beginning(0, "stream_lost_its_end"),
            id="what came again has partly left it",
        ),
    ],
)
def test_a_record_counts_while_the_stream_has_its_message_or_has_let_it_go(
    own: StoreMark, there: int, bounds: StreamBounds, expected: Beginning
) -> None:
    assert beginning(known(100), own, "A", bounds, holds=True, there=there) == expected


@pytest.mark.parametrize("own", [StoreMark(100), None])
def test_a_watermark_beyond_the_stream_proves_nothing_of_a_record_of_old(own: StoreMark | None) -> None:
    progress = known(100, 490, 510, store="A" if own is not None else "")
    assert beginning(progress, own, "A", BOUNDS, holds=True, there=8) == Beginning(0, "watermark_beyond_stream")


def test_a_record_of_old_is_read_and_one_of_now_is_read_by_those_of_old() -> None:
    old = msgspec.msgpack.encode({"created": "x", "epoch": 1, "first": 2, "last": 3, "watermark": 3})
    assert msgspec.msgpack.decode(old, type=Progress) == Progress("x", 1, 2, 3, 3)
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(Progress("x", 1, 2, 3, 3, "store", "fill")))
    assert list(fields)[:5] == ["created", "epoch", "first", "last", "watermark"]
