"""What the commands of `marketprism data` share about files and the errors of what was asked for."""

from __future__ import annotations

from marketprism_application.errors import QueryError, UnknownSymbolError
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


class as_stops:  # noqa: N801 (it reads as a phrase)
    """Errors of what was asked for end the command with one line."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UnknownSymbolError):
            raise Stop(Exit.FAILED, str(error)) from error
        if isinstance(error, QueryError):
            raise Stop(Exit.USAGE, str(error)) from error
