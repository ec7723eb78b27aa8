"""Recheck and repair on a real storage: what was lost or spoiled is there again, and what was right is untouched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from marketprism_adapters.imports.registry import open_rows_file
from marketprism_adapters.nats.history_log import NatsHistoryLog
from marketprism_adapters.witnesses.files import FileWitness
from marketprism_application.contracts.codec import encode
from marketprism_application.contracts.kinds import GAP
from marketprism_application.contracts.questions import Question, Records
from marketprism_application.contracts.subjects import subject_of
from marketprism_application.history.file_rows import FileRows, rows_of
from marketprism_application.history.importing import Importer
from marketprism_application.history.kinds import HISTORY_KINDS
from marketprism_application.history.targets import target_of
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.integrity.stored_check import StoredCheck, StoredSeries
from marketprism_application.ports.history import RawPage
from marketprism_application.ports.history_log import SeriesKey
from marketprism_application.ports.imports import FileHints, FileSeries, RowsFile
from marketprism_application.ports.witnesses import Witness
from marketprism_application.queries.answering import answer_question
from marketprism_application.repairing.mending import UnexpectedChange
from marketprism_application.repairing.rows import stored_bars
from marketprism_application.repairing.series_repairs import SeriesRepairs
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.report import IntegrityReport
from marketprism_domain.integrity.verdicts import Verdict
from marketprism_domain.marketdata.gap import Gap
from marketprism_sdk.nats.jetstream import publish_ack
from tests.integration.history.history_side import Side, side_of
from tests.integration.storage.storage_side import until
from tests.support.backtests import CU
from tests.support.bar_series import CALENDAR
from tests.support.downloads import LISTED, MINUTE
from tests.support.repairs import NOW, damaged, klines_of, spoiled_values
from tests.support.store_downloads import any_rows
from tests.unit.application.repairing.test_mending import longer_of

pytestmark = pytest.mark.timeout(180)


class Ledger:
    """Publishes entries where the pipeline does, and waits until they are stored."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self.entries = 0

    async def enter(self, dataset: Dataset, cause: str) -> None:
        self.entries += 1
        row = Gap(
            dataset.venue,
            dataset.symbol,
            "data",
            1,
            self.entries,
            dataset.ts_from,
            NOW,
            NOW,
            dataset.ts_from,
            dataset.ts_to,
            cause,
            kind=dataset.kind,
        )
        await publish_ack(self._side.market.connection, subject_of(GAP, row), encode(GAP, row))
        entries = self.entries

        async def is_stored() -> bool:
            return await self._side.count("gaps") >= entries

        await until(is_stored)


class Place:
    """A stored series on a real storage, and its repairs."""

    def __init__(self, side: Side, dataset: Dataset) -> None:
        self.side, self.dataset = side, dataset
        self.log, self.ledger = NatsHistoryLog(side.market.connection, any_rows), Ledger(side)
        self.pages: list[RawPage] = []

    async def ask(self, question: Question) -> pa.Table:
        return await answer_question(self.side.storage.reader, question)

    async def put(self, rows: pa.Table) -> None:
        """Rows into the store, as an import does."""
        dataset = self.dataset
        key = SeriesKey(dataset.kind, dataset.venue, dataset.symbol, dataset.interval)
        given = frozenset(HISTORY_KINDS[dataset.kind].compared)
        parts = [FileRows(rows, np.arange(1, rows.num_rows + 1, dtype=np.int64), given)]
        await Importer(self.side.storage.reader, self.log).run(key, iter(parts), replace=True)

    def repairs(self, *witnesses: Witness) -> SeriesRepairs:
        return SeriesRepairs(
            self.ask,
            CALENDAR,
            witnesses,
            self.log,
            self.ledger,
            reader=self.side.storage.reader,
            now_ns=lambda: NOW,
            pause_s=0.0,
        )

    async def report(self, **asked: Any) -> IntegrityReport:
        dataset = self.dataset
        series = StoredSeries(dataset.kind, dataset.venue, dataset.symbol, dataset.interval)
        bounds = {"ts_from": dataset.ts_from, "ts_to": dataset.ts_to}
        return await StoredCheck(self.ask, series, CALENDAR, CheckAsked(NOW, **bounds, **asked)).report()

    async def values(self) -> list[dict[str, Any]]:
        table = await stored_bars(self.side.storage.reader, self.dataset)
        names = ["ts_open", "ts_close", *HISTORY_KINDS[self.dataset.kind].compared]
        rows: list[dict[str, Any]] = table.select(names).to_pylist()
        return rows

    async def keep(self, page: RawPage) -> None:
        self.pages.append(page)


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with side_of(tmp_path) as made:
        yield made


async def test_a_damaged_series_of_a_venue_is_the_undisturbed_one_again(side: Side) -> None:
    hole = ((LISTED + 900 * MINUTE) // 10**6, (LISTED + 912 * MINUTE) // 10**6)
    chance = Random(11)
    async with klines_of(bars=2_000, holes=[hole], share=0.2) as (server, dataset, witness, truth):
        place = Place(side, dataset)
        rows = truth.to_pylist()
        lost = {*range(40), *range(880, 930), *(chance.randrange(2_000) for _ in range(30))}
        spoiled = {n: spoiled_values(rows[n], chance) for n in chance.sample(range(950, 1_900), 20) if n not in lost}
        await place.put(damaged(truth, sorted(lost), spoiled))
        before = await place.report()
        was = await place.values()
        repairs = place.repairs(witness)
        recheck = await repairs.recheck(before)
        assert recheck.counts["venue"] == 12
        assert place.ledger.entries == 1
        plan = await repairs.plan(recheck)
        result = await repairs.repair(recheck, plan, job="job-1", keep=place.keep)
        assert (result.error, result.undone) == ("", False)
        assert (result.inserted, result.revisions) == (len(lost) - 12, len(spoiled))
        after = await place.report()
        assert after.is_clean
        assert [(each.code, each.total) for each in after.notices if each.code == "known_hole"] == [("known_hole", 12)]
        known = [row for n, row in enumerate(rows) if not 900 <= n < 912]
        names = ["ts_open", "ts_close", *HISTORY_KINDS["kline"].compared]
        assert await place.values() == [{name: row[name] for name in names} for row in known]
        # Whoever asks what stood before the repair gets what stood then.
        stamp = max(
            row["ts_pub"]
            for row in await side.rows(
                "SELECT toUnixTimestamp64Nano(ts_pub) AS ts_pub FROM market.klines WHERE source != 'repair:job-1'"
            )
        )
        asked = Records(
            "kline", dataset.symbol, dataset.venue, dataset.ts_from, dataset.ts_to, "1m", 20_000, as_of=stamp
        )
        table = await place.ask(asked)
        assert table.select(names).to_pylist() == was
        assert len({page.sha256 for page in place.pages}) >= 1
        # The hole is known now: nobody is asked about it any more.
        requests = server.asked.total()
        assert (await repairs.recheck(after)).judged == ()
        assert server.asked.total() == requests


async def test_a_bar_without_a_defect_is_never_changed(side: Side) -> None:
    async with klines_of(bars=700) as (_, dataset, witness, truth):
        place = Place(side, dataset)
        rows = truth.to_pylist()
        other = {"volume": rows[105]["volume"] * 2, "turnover": rows[105]["turnover"] * 2}
        await place.put(damaged(truth, [100, 110], {105: other}))
        was = await place.values()
        repairs = place.repairs(witness)
        recheck = await repairs.recheck(await place.report())
        plan = await repairs.plan(recheck)
        with pytest.raises(UnexpectedChange) as caught:
            await repairs.repair(recheck, plan, job="j", keep=place.keep)
        assert [(each["ts"], each["field"]) for each in caught.value.details["changes"]] == [  # type: ignore[attr-defined]
            (LISTED + 105 * MINUTE, "turnover"),
            (LISTED + 105 * MINUTE, "volume"),
        ]
        assert await place.values() == was
        assert await side.count("klines") == 698


def _of_cu() -> tuple[RowsFile, FileSeries, pa.Table]:
    file = open_rows_file(CU, FileHints("shfe", "cu1905", "1m"))
    series = file.facts.series[0]
    target = target_of(file.facts, series, "bar")
    parts = [part.table for part in rows_of(file, series, target, CALENDAR, CheckAsked(NOW))]
    return file, series, pa.concat_tables(parts)


@pytest.mark.long
async def test_bars_of_ours_are_mended_from_a_file_and_longer_ones_with_them(side: Side) -> None:
    file, series, truth = await asyncio.to_thread(_of_cu)
    assert truth.num_rows == 21_729
    times = truth.column("ts_open").to_numpy()
    dataset = Dataset("bar", "shfe", "cu1905", "1m", int(times[0]), int(times[-1]) + MINUTE)
    chance = Random(3)
    rows = truth.to_pylist()
    numbers = chance.sample(range(500, truth.num_rows), 240)
    lost, spoiled = sorted(numbers[:200]), {n: {"volume": -rows[n]["volume"] - 1} for n in numbers[200:]}
    wrong = damaged(truth, lost, spoiled)
    place, hours = Place(side, dataset), Place(side, replace(dataset, interval="1h"))
    await place.put(wrong)
    await hours.put(longer_of(dataset, wrong, "1h"))
    before = await place.report(dense=True)
    repairs = place.repairs(FileWitness(file, series, CALENDAR, NOW))
    recheck = await repairs.recheck(before)
    assert {each.verdict for each in recheck.judged if each.defect.code == "ohlc"} == {Verdict.OURS}
    result = await repairs.repair(recheck, await repairs.plan(recheck), job="cu", keep=place.keep)
    assert (result.error, result.inserted, result.revisions) == ("", 200, 40)
    assert result.longer > 20
    names = ["ts_open", "ts_close", "trading_day", *HISTORY_KINDS["bar"].compared]
    table = await stored_bars(side.storage.reader, dataset)
    assert table.select(names).to_pylist() == [{name: row[name] for name in names} for row in rows]
    assert set(table.column("revision").to_pylist()) == {0, 1}
    right = {row["ts_open"]: row for row in longer_of(dataset, truth, "1h").to_pylist()}
    for row in await hours.values():
        assert row == {name: right[row["ts_open"]][name] for name in row}
    left = await place.report(dense=True)
    assert left.missing == before.missing - 200
    assert {each.code for each in left.defects} <= {each.code for each in before.defects} - {"ohlc"}
