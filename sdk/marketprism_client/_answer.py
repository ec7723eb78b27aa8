"""Answer: what a question about stored data brings, as a DataFrame, an Arrow table or records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.tiers import Tiers, tiers_of
from marketprism_client._failures import QueryFailed
from marketprism_client._fields import Fields, deepest
from marketprism_client._libraries import needs
from marketprism_client._records import shortest
from marketprism_client._tables import in_arrow

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from marketprism_application.contracts.plain_table import Table
    from marketprism_client._columns import Column

Record_co = TypeVar("Record_co", covariant=True)
Row = dict[str, object]
_LEVELS = 5


class Answer(Generic[Record_co]):
    """Rows, oldest first. `to_pandas()`, `to_polars()` and `to_arrow()` compute; iterating gives exact records.

    `table` is the Arrow table as it was sent: times int64 nanoseconds UTC, decimals decimal128(38, 18), books as lists.
    Without pyarrow (`pip install 'marketprism[arrow]'`) there are records, `to_pylist()` and what `plain` can do.
    `time_field` names the column that is the index (None: there is no time), `tz` the zone it is shown in.
    `tiers` says where the rows lay: how many archived partitions were read (`cold_units`), and until when rows are
    archived (`cold_until`, nanoseconds UTC); None where there is no archive.
    """

    def __init__(
        self,
        table: Table,
        make: Callable[[Row], Record_co],
        *,
        time_field: str | None,
        tz: str,
        fields: Fields = None,
    ) -> None:
        self.tiers: Tiers | None = tiers_of(table)
        self.plain: Table = table.replace_schema_metadata(None)
        self.time_field = time_field
        self.tz = tz
        self._make = make
        self._fields = fields

    @property
    def table(self) -> pa.Table:
        """The Arrow table as it was sent. Raises ModuleNotFoundError: pyarrow is not installed."""
        return in_arrow(self.plain)

    # -- to compute with ---------------------------------------------------------------------------------------------

    def to_arrow(
        self,
        *,
        fields: Fields = None,
        decimals: bool = False,
        tz: str | None = None,
        depth: int = _LEVELS,
    ) -> pa.Table:
        """An Arrow table: prices and amounts float64 (`decimals`: decimal128), times timestamp[ns] of the zone `tz`
        (the client's when None), books as `bid_price_1 bid_volume_1 … ask_volume_5` (`depth` levels a side).

        `fields` chooses columns and their order; the time is always there.

        Raises:
            QueryFailed: no such column or no such zone.
        """
        table = self.table
        from marketprism_client._columns import chosen, computed  # noqa: PLC0415 (heavy: only who computes)
        from marketprism_client._times import zone_of  # noqa: PLC0415

        zone = zone_of(tz or self.tz)[0]
        wanted = fields if fields is not None else self._fields
        depth = max(depth, deepest(wanted))
        return chosen(computed(table, decimals=decimals, tz=zone, depth=depth), wanted, self.time_field or "")

    def to_pandas(
        self,
        *,
        fields: Fields = None,
        decimals: bool = False,
        tz: str | None = None,
        depth: int = _LEVELS,
    ) -> pd.DataFrame:
        """A DataFrame of float64 with a DatetimeIndex that knows its zone; what is missing is NaN.

        The index is `ts_open` for bars and klines, `ts_event` for what happens at an instant. With `decimals` the
        numbers are `Decimal` objects, exact and without trailing zeros. The rest is as in `to_arrow`.

        Raises:
            QueryFailed: no such column or no such zone. ModuleNotFoundError: pandas is not installed.
        """
        needs("pandas")
        table = self.to_arrow(fields=fields, decimals=decimals, tz=tz, depth=depth)
        frame: pd.DataFrame = table.to_pandas()
        if decimals:
            import pyarrow as pa  # noqa: PLC0415 (loaded: there is a table)

            for field in table.schema:
                if pa.types.is_decimal(field.type):
                    frame[field.name] = frame[field.name].map(shortest, na_action="ignore")
        return frame.set_index(self.time_field) if self.time_field in frame else frame

    def to_polars(
        self,
        *,
        fields: Fields = None,
        decimals: bool = False,
        tz: str | None = None,
        depth: int = _LEVELS,
    ) -> pl.DataFrame:
        """A polars DataFrame of Float64 (`decimals`: Decimal) and Datetime with a zone; as in `to_arrow`.

        Raises:
            QueryFailed: no such column or no such zone. ModuleNotFoundError: polars is not installed.
        """
        needs("polars")
        import polars as pl  # noqa: PLC0415 (who has it asks for it)

        found = pl.from_arrow(self.to_arrow(fields=fields, decimals=decimals, tz=tz, depth=depth))
        assert isinstance(found, pl.DataFrame)  # noqa: S101 (a table is one)
        return found

    def pivot(self, field: str = "close", *, by: str | None = None, tz: str | None = None) -> pd.DataFrame:
        """A panel: one column of float64 an instrument (`ru1901`; `shfe.ru1901` where a symbol is at several venues),
        a row an instant, NaN where an instrument has none.

        Rows are trading days for bars of a day and longer, since days of instruments begin at different hours, and the
        index else; `by` names another column. Of several records of one instant the last counts.

        Raises:
            QueryFailed: no such column. ModuleNotFoundError: pandas is not installed.
        """
        needs("pandas")
        import pandas as pd  # noqa: PLC0415 (who has it asks for it)

        intervals = set(self.table.column("interval").to_pylist()) if "interval" in self.table.column_names else set()
        if by is None:
            by = "trading_day" if intervals and all(str(each)[-1:] in "dw" for each in intervals) else self.time_field
        by = by or "trading_day"
        whole = self.to_arrow(tz=tz)
        for name in (field, by):
            if name not in whole.column_names:
                raise QueryFailed(
                    Code.INVALID_PARAMETER, f"field: expected one of {', '.join(whole.column_names)}, was {name!r}"
                )
        frame: pd.DataFrame = whole.select(list(dict.fromkeys(("venue", "symbol", by, field)))).to_pandas()
        pairs = frame[["venue", "symbol"]].drop_duplicates()
        single = not pairs["symbol"].duplicated().any()
        frame["instrument"] = frame["symbol"] if single else frame["venue"] + "." + frame["symbol"]
        if by == "trading_day":
            frame[by] = pd.to_datetime(frame[by], format="%Y%m%d")
        order = list(dict.fromkeys(frame["instrument"]))
        last = frame.drop_duplicates([by, "instrument"], keep="last")
        panel = last.pivot(index=by, columns="instrument", values=field)[order]
        return panel.rename_axis(columns=None)

    # -- as records --------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.plain.num_rows

    def __iter__(self) -> Iterator[Record_co]:
        """Records with exact decimals; rows of answers that have no record class are dictionaries."""
        for batch in self.plain.to_batches(max_chunksize=4096):
            yield from map(self._make, batch.to_pylist())

    def __repr__(self) -> str:
        names = self.plain.column_names
        rows = f"{len(self)} row{'s' * (len(self) != 1)}"
        return f"<Answer: {rows}, {len(names)} columns: {', '.join(names[:12])}{', …' * (len(names) > 12)}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: bars as a picture and the newest rows, anything else as rows."""
        from marketprism_client._picture import html_of  # noqa: PLC0415 (only notebooks)

        return html_of(self.plain, self.time_field, self.tz)

    # -- as the Arrow table that it holds ----------------------------------------------------------------------------

    @property
    def num_rows(self) -> int:
        """Rows of the table."""
        return self.plain.num_rows

    @property
    def column_names(self) -> list[str]:
        """Columns of the table as it was sent."""
        return list(self.plain.column_names)

    @property
    def schema(self) -> pa.Schema:
        """Types of the table as it was sent."""
        return self.table.schema

    def column(self, name: str) -> Column:
        """One column of the table as it was sent."""
        return self.table.column(name)

    def to_pylist(self) -> list[Row]:
        """Rows of the table as it was sent: times as integers, decimals with all their digits."""
        return self.plain.to_pylist()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """What polars, duckdb and whoever else takes Arrow read: `to_arrow()`."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]


def as_row(row: Mapping[str, object]) -> Row:
    """A row of an answer without a record class: decimals in their shortest form."""
    from decimal import Decimal  # noqa: PLC0415 (loaded long before)

    return {name: shortest(value) if isinstance(value, Decimal) else value for name, value in row.items()}
