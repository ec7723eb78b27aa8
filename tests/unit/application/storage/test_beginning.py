"""Where a writer begins: the watermark, the store's own record and the stream, and who of them is right."""

from __future__ import annotations

import msgspec
import pytest

from marketprism_application.ports.storage import Progress, StreamBounds
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
        pytest.param(
            known(900), 900, "A", True, Beginning(500, "watermark_beyond_stream"), id="the stream lost its end"
        ),
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
    assert beginning(progress, own, store, BOUNDS, holds=holds) == expected


def test_a_record_of_old_is_read_and_one_of_now_is_read_by_those_of_old() -> None:
    old = msgspec.msgpack.encode({"created": "x", "epoch": 1, "first": 2, "last": 3, "watermark": 3})
    assert msgspec.msgpack.decode(old, type=Progress) == Progress("x", 1, 2, 3, 3)
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(Progress("x", 1, 2, 3, 3, "store", "fill")))
    assert list(fields)[:5] == ["created", "epoch", "first", "last", "watermark"]
