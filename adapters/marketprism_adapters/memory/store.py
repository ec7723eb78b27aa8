"""MarketStore and StoreReader in memory, with the same exactness as the engines."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple, assert_never, get_args

import msgspec
import pyarrow as pa

from marketprism_adapters.memory import days, overviews
from marketprism_adapters.memory.days import total, wanted
from marketprism_adapters.memory.tick_bars import bars_of_ticks
from marketprism_application.contracts.bar_questions import MinuteSpans
from marketprism_application.contracts.kinds import BAR, GAP, INSTRUMENT, KINDS, QUALITY, TICK, DataKind
from marketprism_application.contracts.overview_questions import Coverage, GapLedger, QualityOverview
from marketprism_application.contracts.questions import (
    Audit,
    BarSeries,
    BarsOfTicks,
    Daily,
    Instruments,
    Latest,
    Listing,
    Names,
    Records,
    Statistics,
    StoreQuestion,
    Symbols,
)
from marketprism_application.errors import RowError
from marketprism_application.ports.storage import DeadRow, EncodedRows, StreamPlace, StreamRange
from marketprism_application.queries.arrow_tables import AUDIT, LISTING, NAMES, schema_of, table_of
from marketprism_application.queries.statistics import COLUMNS as STATISTICS
from marketprism_application.storage.redriving import LetterKey
from marketprism_domain.errors import InvalidValue
from marketprism_domain.values import check_decimal

_EXACT_DIGITS = 60


class _Revision(NamedTuple):
    """A row that stood for a key from `ts_pub` on, until one of a higher version did."""

    key: tuple[object, ...]
    version: tuple[int, int]
    ts_pub: int
    row: object


class MemoryStore:
    """Fulfils both ports. Rows of one key replace one another: the highest revision, then the latest in the stream."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[tuple[Any, ...], tuple[tuple[int, int], Any]]] = {name: {} for name in KINDS}
        self._revisions: dict[str, dict[tuple[object, ...], _Revision]] = {name: {} for name in KINDS}
        self._raw: dict[str, list[Any]] = {name: [] for name in KINDS}
        self._tokens: set[str] = set()
        self.dead: dict[tuple[str, int, int], DeadRow] = {}

    async def migrate(self) -> Sequence[str]:
        """Empty: there is no schema to migrate."""
        return []

    async def insert(
        self, kind: DataKind, rows: Sequence[Any], places: Sequence[StreamPlace], covered: StreamRange, epoch: int
    ) -> int:
        """Write rows once per (kind, range); the epoch is for audit and not kept."""
        del epoch
        token = f"{covered.token}:{kind.name}"
        if token in self._tokens:
            return len(rows)
        for row in rows:
            _check(kind, row)
        self._tokens.add(token)
        table = self._tables[kind.name]
        for row, place in zip(rows, places, strict=True):
            self._raw[kind.name].append(row)
            key = tuple(getattr(row, name) for name in kind.order_by)
            version = (getattr(row, "revision", 0), place.seq)
            if kind.revisions and getattr(row, "closed", True):
                again = (*key, getattr(row, kind.revised_by))
                self._revisions[kind.name][again] = _Revision(key, version, row.ts_pub, row)
            if key not in table or table[key][0] <= version:
                table[key] = (version, row)
        return len(rows)

    async def insert_encoded(
        self, kind: DataKind, groups: Sequence[EncodedRows], covered: StreamRange, epoch: int
    ) -> int:
        """Decode rows and insert them; how many are new. A row that cannot be decoded raises as in the real store."""
        places = [StreamPlace(group.seq, group.first + n) for group in groups for n in range(len(group.rows))]
        try:
            decoded = [msgspec.msgpack.decode(row, type=kind.model) for group in groups for row in group.rows]
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RowError(f"{kind.table}: {error}") from error
        return await self.insert(kind, decoded, places, covered, epoch)

    async def insert_columns(self, kind: DataKind, rows: pa.Table, seq: int, covered: StreamRange, epoch: int) -> int:
        """Insert rows of columns; those that are no columns of the kind raise as in the real store."""
        if rows.schema.remove_metadata() != schema_of(kind.name):
            raise RowError(f"{kind.table}: expected the columns of a {kind.name}")
        for name, hint in kind.types.items():
            if rows.column(name).null_count and type(None) not in get_args(hint):
                raise RowError(f"{kind.table}: {name}: expected a value in every row")
        made = [kind.model(**row) for row in rows.to_pylist()]
        return await self.insert(kind, made, [StreamPlace(seq, n) for n in range(len(made))], covered, epoch)

    async def bury(self, dead: Sequence[DeadRow]) -> None:
        """Set rows aside by their places."""
        for row in dead:
            self.dead[row.stream, row.seq, row.offset] = row

    async def count(self) -> int:
        """How many rows are set aside."""
        return len(self.dead)

    async def letters(self, limit: int, key: LetterKey | None = None) -> Sequence[DeadRow]:
        """The newest dead rows, or the one with the key."""
        found = [row for at, row in self.dead.items() if key is None or at == tuple(key)]
        return found[::-1][:limit]

    async def forget(self, row: DeadRow) -> None:
        """It is in its table."""
        self.dead.pop((row.stream, row.seq, row.offset), None)

    async def close(self) -> None:
        """Nothing to close: all is in memory."""

    def _rows(self, kind: DataKind) -> list[Any]:
        return [row for _, row in self._tables[kind.name].values()]

    def _stood(self, kind: DataKind, as_of: int) -> list[object]:
        """Rows of which each was the newest of its key at that time."""
        found: dict[tuple[object, ...], _Revision] = {}
        for each in self._revisions[kind.name].values():
            if each.ts_pub <= as_of and (each.key not in found or found[each.key].version <= each.version):
                found[each.key] = each
        return [each.row for each in found.values()]

    async def answer(self, question: StoreQuestion) -> pa.Table:
        """As its class says."""
        match question:
            case Records():
                return self._records(question)
            case Latest():
                return self._latest(question)
            case Symbols() | Names() | BarSeries() | Listing():
                return self._whole(question)
            case Audit():
                return self._audit(question)
            case Daily():
                return days.daily(self._rows(TICK), self._rows(BAR), self._rows(GAP), question)
            case MinuteSpans():
                return days.minute_spans(self._rows(BAR), question)
            case Statistics():
                return self._statistics(question)
            case Instruments():
                return self._instruments(question)
            case BarsOfTicks():
                return bars_of_ticks(self._rows(TICK), question)
            case Coverage() | GapLedger() | QualityOverview():
                return overviews.answer(self._rows(BAR), self._rows(GAP), self._rows(QUALITY), question)
            case _:
                assert_never(question)

    def _records(self, query: Records) -> pa.Table:
        """One page of one instrument, oldest first."""
        kind = KINDS[query.kind]
        rows = self._rows(kind) if query.as_of is None else self._stood(kind, query.as_of)
        found = sorted(
            (row for row in rows if _chosen(row, query, getattr(row, kind.time_field))),
            key=attrgetter(*kind.read_order),
        )
        if query.after is not None:
            found = [row for row in found if kind.is_behind(row, query.after)]
        return table_of(kind, found[-query.limit :] if query.last else found[: query.limit])

    def _latest(self, question: Latest) -> pa.Table:
        """Newest row per symbol and venue, the newest first; of several at one instant the first by their key."""
        kind = KINDS[question.kind]
        newest: dict[tuple[str, str], Any] = {}
        chosen = (row for row in self._rows(kind) if row.symbol in question.symbols)
        rows = sorted(chosen, key=attrgetter(*kind.order_by))
        for row in sorted(rows, key=attrgetter("ts_event", "seq"), reverse=True):
            newest.setdefault((row.symbol, row.venue), row)
        return table_of(kind, list(newest.values()))

    def _names(self) -> pa.Table:
        """Every symbol and venue that a row names."""
        found: dict[tuple[str, str], bool] = {}
        for kind, stored in ((INSTRUMENT, False), (TICK, True), (BAR, True)):
            found |= dict.fromkeys(((row.venue, row.symbol) for row in self._rows(kind)), stored)
        rows = [{"symbol": symbol, "venue": venue, "stored": found[venue, symbol]} for venue, symbol in sorted(found)]
        return pa.Table.from_pylist(rows, NAMES)

    def _whole(self, question: Symbols | Names | BarSeries | Listing) -> pa.Table:
        """What is there at all."""
        match question:
            case Symbols():
                return days.symbols(self._rows(TICK), self._rows(BAR))
            case Names():
                return self._names()
            case BarSeries():
                bars = [kind for kind in KINDS.values() if kind.has_interval]
                return overviews.bar_series({kind.name: self._rows(kind) for kind in bars})
            case Listing():
                return self._listing()
            case _:
                assert_never(question)

    def _listing(self) -> pa.Table:
        """Every symbol and venue that a row names, with the words of its newest terms."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for row in self._names().to_pylist():
            words = dict.fromkeys(LISTING.names[5:], "")
            rows[row["venue"], row["symbol"]] = row | {"ts_last": None, "open_interest": None} | words
        for bar in sorted(self._rows(BAR), key=attrgetter("ts_open")):
            found = rows[bar.venue, bar.symbol]
            found["ts_last"] = max(found["ts_last"] or 0, bar.ts_close)
            if bar.interval == "1d":
                found["open_interest"] = bar.open_interest
        newest: dict[tuple[str, str], int] = {}
        for tick in self._rows(TICK):
            key = tick.venue, tick.symbol
            newest[key] = max(newest.get(key, 0), tick.ts_event)
        for key, ts in newest.items():
            rows[key]["ts_last"] = ts
        for terms in sorted(self._rows(INSTRUMENT), key=attrgetter("ts_event")):
            rows[terms.venue, terms.symbol] |= {name: getattr(terms, name) for name in LISTING.names[5:]}
        return pa.Table.from_pylist(list(rows.values()), LISTING)

    def _statistics(self, asked: Statistics) -> pa.Table:
        """Sums over minute bars."""
        venues: dict[str, list[Any]] = {}
        for bar in sorted(self._rows(BAR), key=lambda bar: bar.ts_open):
            if bar.interval == "1m" and wanted(bar, asked, bar.ts_open):
                venues.setdefault(bar.venue, []).append(bar)
        rows = []
        for venue, bars in sorted(venues.items()):
            listed = [i for i in self._rows(INSTRUMENT) if (i.venue, i.symbol) == (venue, asked.symbol)]
            terms = max(listed, key=lambda i: i.ts_event, default=None)
            rows.append(
                {
                    "venue": venue,
                    "symbol": asked.symbol,
                    "bars": len(bars),
                    "ticks": sum(b.ticks for b in bars),
                    "gaps": sum(b.gap for b in bars),
                    "ts_from": bars[0].ts_open,
                    "ts_to": max(b.ts_close for b in bars),
                    "open": bars[0].open,
                    "high": max(b.high for b in bars),
                    "low": min(b.low for b in bars),
                    "close": bars[-1].close,
                    "volume": total(b.volume for b in bars),
                    "turnover": total(b.turnover for b in bars),
                    "multiplier": terms.multiplier if terms else None,
                    "base": terms.base if terms else "",
                    "inverse": terms.inverse if terms else False,
                }
            )
        return pa.Table.from_pylist(rows, STATISTICS)

    def _instruments(self, question: Instruments) -> pa.Table:
        """Contract terms."""
        search = question.search
        newest: dict[tuple[str, str], Any] = {}
        for row in sorted(self._rows(INSTRUMENT), key=lambda row: row.ts_event):
            texts = (row.symbol, row.product, row.underlying, row.name)
            wanted = (not search.at or row.ts_event <= search.at) and (
                not search.text or any(search.text.lower() in text.lower() for text in texts)
            )
            fields = ((search.venue, row.venue), (search.product, row.product), (search.class_, row.class_))
            if wanted and all(asked in ("", there) for asked, there in fields):
                newest[row.venue, row.symbol] = row
        keys = sorted(key for key in newest if question.after is None or key > tuple(question.after))
        return table_of(INSTRUMENT, [newest[key] for key in keys][: search.limit])

    def _audit(self, question: Audit) -> pa.Table:
        """Counts per source."""
        rows = []
        for source in sorted(set(question.sources)):
            stored = [row for row in self._raw["tick"] if row.source == source]
            if not stored:
                continue
            rows.append(
                {
                    "source": source,
                    "stored": len(stored),
                    "distinct_ticks": len({(row.symbol, row.venue, row.source_seq) for row in stored}),
                    "read_back": sum(row.source == source for row in self._rows(TICK)),
                    "bars": sum(bar.source == source for bar in self._rows(BAR)),
                }
            )
        return pa.Table.from_pylist(rows, AUDIT)


def _check(kind: DataKind, row: Any) -> None:
    for name in kind.fields:
        value = getattr(row, name)
        if isinstance(value, Decimal):
            try:
                check_decimal(value, name)
            except InvalidValue as error:
                raise RowError(f"{kind.table}: {error}") from error


def _chosen(row: Any, query: Records, ts: int) -> bool:
    return (
        wanted(row, query, ts)
        and query.venue in (None, row.venue)
        and (query.interval is None or getattr(row, "interval", query.interval) == query.interval)
    )
