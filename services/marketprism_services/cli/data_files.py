"""What the commands of `marketprism data` share about files and the errors of what was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from marketprism_application.contracts.questions import Names, Records
from marketprism_application.errors import QueryError, UnknownSymbolError
from marketprism_application.queries.symbol_names import NameIndex, StoredName
from marketprism_client import MarketClient
from marketprism_domain.instruments.written_names import venue_named
from marketprism_services.cli.clocks import Zone, zone_named, zone_of_venues
from marketprism_services.platform.exits import Exit, Stop

ENDINGS = frozenset(
    {".csv", ".tsv", ".gz", ".zip", ".xz", ".bz2", ".zst", ".feather", ".parquet", ".arrow", ".db", ".sqlite"}
)


def zone_name(tz: str | None) -> str:
    """The IANA name or the offset that an option means, empty without one."""
    if tz is None:
        return ""
    name = zone_named(tz).name
    return {"China time": "Asia/Shanghai"}.get(name, name)


def zone_of(venue: str, tz: str | None) -> Zone:
    """The zone in which times of a venue are shown."""
    return zone_of_venues([venue or "other"], tz)


async def stored_name(market: MarketClient, text: str, venue: str, asked: Sequence[Records] = ()) -> StoredName:
    """The stored instrument that a name means; one of which there are neither ticks, bars nor terms is known by the
    rows that `asked` are about.

    Raises:
        UnknownSymbolError: none, or several; names what is near.
    """
    table = await market.ask(Names())
    columns = (table.column(name).to_pylist() for name in ("venue", "symbol", "stored"))
    index = NameIndex(StoredName(*row) for row in zip(*columns, strict=True))
    wanted = venue_named(venue).partition("-")[0] if venue else None
    try:
        name = index.resolve(text, wanted)
    except UnknownSymbolError:
        for question in asked:
            row = await market.ask(msgspec.structs.replace(question, venue=wanted, limit=1))
            if row.num_rows:
                return StoredName(str(row.column("venue")[0].as_py()), str(row.column("symbol")[0].as_py()))
        raise
    venues = sorted({name.venue} - {""}) or sorted(index.venues_of(name.symbol))
    if len(venues) > 1 and wanted is None:
        raise QueryError(f"venue: expected one of {', '.join(venues)}, which all have {name.symbol}; give --venue")
    return StoredName(wanted or venues[0], name.symbol)


class as_stops:  # noqa: N801 (it reads as a phrase)
    """Errors of what was asked for end the command with one line."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UnknownSymbolError):
            raise Stop(Exit.FAILED, str(error)) from error
        if isinstance(error, QueryError):
            raise Stop(Exit.USAGE, str(error)) from error
