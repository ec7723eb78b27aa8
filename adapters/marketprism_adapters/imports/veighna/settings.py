"""Which database VeighNa's own settings mean: `vt_setting.json`, with the password where it is already."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marketprism_adapters.imports.veighna.json_files import json_of
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.errors import SourceError

_PORTS = {"mysql": 3306, "postgresql": 5432}
ENGINES = ("sqlite", *_PORTS)
_LARGEST = 1 << 20
_PREFIX = "database."


@dataclass(frozen=True)
class DatabasePlace:
    """A database: a file, or what a server is asked for. `zone` is `database.timezone`, empty where it is not said."""

    engine: str
    path: Path = field(default=Path())
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    name: str = ""
    zone: str = ""

    def __str__(self) -> str:
        if self.engine == "sqlite":
            return f"file {self.path}"
        return f"database {self.engine}://{self.user}@{self.host}:{self.port}/{self.name}"


def is_settings(path: Path) -> bool:
    """Whether a file is the settings of VeighNa, as far as its name and its first byte tell."""
    try:
        if path.suffix.lower() != ".json" or not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    except OSError:
        return False


def database_of(path: Path) -> DatabasePlace:
    """The database that settings of VeighNa name.

    Raises:
        SourceError: they cannot be read, or say something else; names the setting, its value and what was expected.
    """
    found = json_of(path, "VeighNa", _LARGEST)
    if not isinstance(found, dict) or not any(str(name).startswith(_PREFIX) for name in found):
        raise SourceError(f"file {path}: expected settings of VeighNa with database.name, was other JSON")
    said = _Settings(path, found)
    engine = said.text("name", "sqlite").strip().lower().removeprefix("vnpy_")
    if engine not in ENGINES:
        raise said.wrong("name", f"one of {', '.join(ENGINES)}", engine, did_you_mean(engine, ENGINES))
    zone = said.text("timezone").strip()
    if zone:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise said.wrong("timezone", "a time zone, like Asia/Shanghai", zone) from error
    if engine == "sqlite":
        file = Path(said.text("database", "database.db") or "database.db").name
        return DatabasePlace(engine, path=path.parent / file, name=file, zone=zone)
    name = said.text("database").strip()
    if not name:
        raise said.wrong("database", "the name of a database", name)
    return DatabasePlace(
        engine,
        host=said.text("host", "127.0.0.1").strip() or "127.0.0.1",
        port=said.port(_PORTS[engine]),
        user=said.text("user").strip(),
        password=said.text("password"),
        name=name,
        zone=zone,
    )


@dataclass(frozen=True)
class _Settings:
    path: Path
    found: dict[str, object]

    def text(self, name: str, default: str = "") -> str:
        value = self.found.get(_PREFIX + name, default)
        if not isinstance(value, str):
            raise self.wrong(name, "a text", "another type" if name == "password" else value)
        return value

    def port(self, default: int) -> int:
        value = self.found.get("database.port", 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
            raise self.wrong("port", "a port, 1 to 65535", value)
        return value or default

    def wrong(self, name: str, expected: str, was: object, near: str = "") -> SourceError:
        return SourceError(f"file {self.path}: {_PREFIX}{name}: expected {expected}, was {was!r}{near}")


__all__ = ["ENGINES", "DatabasePlace", "database_of", "is_settings"]
