"""Which stores can be archived where."""

from __future__ import annotations

import pytest

from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.layers import Layers
from marketprism_services.wiring.archive import archive_of
from marketprism_services.wiring.store import engines_of, reading_engines_of

BUCKET = {"place": "http://127.0.0.1:1/cold/a", "access_key": "a", "secret_key": "b"}
SERVER = {"engine": "clickhouse", "url": "http://127.0.0.1:8123"}


@pytest.mark.parametrize(
    ("store", "archive", "wrong"),
    [
        (SERVER, {"place": "/mnt/nas"}, r"archive.place: expected the URL of a bucket .*, was /mnt/nas"),
        ({**SERVER, "cluster": "c"}, BUCKET, r"archive.place: expected one server, .*, was store.cluster c"),
        (
            {"keep_days": {"market_bars": 30}},
            {"place": "/mnt/nas", "days": {"market_bars": 60}},
            r"store.keep_days.market_bars: expected more than archive.days.market_bars \(60\), was 30",
        ),
    ],
)
def test_a_store_that_cannot_be_archived_there_is_refused(
    store: dict[str, object], archive: dict[str, object], wrong: str
) -> None:
    with pytest.raises(SettingsError, match=wrong):
        archive_of(Layers({"store": store, "archive": archive}).settings())


def test_who_answers_over_hot_and_archived_rows() -> None:
    embedded = Layers({"archive": {"place": "/mnt/nas"}}).settings()
    server = Layers({"store": SERVER, "archive": BUCKET}).settings()
    alone = Layers({"store": SERVER}).settings()
    wirings = [archive_of(settings) for settings in (embedded, server, alone)]
    assert [wiring is not None and wiring.server is not None for wiring in wirings] == [False, True, False]
    assert [reading_engines_of(each) is not None for each in (embedded, server, alone)] == [False, False, True]
    assert [engines_of(each).shared for each in (embedded, server, alone)] == [False, True, True]
