"""What vnpy_datarecorder records, by its settings (`data_recorder_setting.json`): the instruments, by gateway."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.imports.veighna.json_files import json_of
from marketprism_application.errors import SourceError
from marketprism_domain.instruments.exchange_codes import is_chinese, venue_of_code

_LISTS = ("tick", "bar")
_LOCAL = "LOCAL"  # spreads that VeighNa itself makes
_LARGEST = 16 << 20
# Gateways of VeighNa that are sources here under a name of their own, and the section that has their instruments.
SECTIONS = {"CTP": "ctp", "SOPT": "sopt"}


class RecorderSettings(NamedTuple):
    """The instruments that are recorded, by gateway (empty where it is not said), and the ones that are none."""

    instruments: dict[str, list[str]]
    left_out: tuple[tuple[str, str], ...] = ()


def recorder_settings(path: Path) -> RecorderSettings:
    """The settings of a recorder. Instruments of its two lists are one list: ticks and bars come together here.

    Raises:
        SourceError: they cannot be read, or are none; names the entry, its value and what was expected.
    """
    found = json_of(path, "vnpy_datarecorder", _LARGEST)
    if not isinstance(found, dict) or not set(_LISTS) & found.keys():
        raise SourceError(f"file {path}: expected settings of vnpy_datarecorder with tick or bar, was other JSON")
    instruments: dict[str, dict[str, None]] = {}
    left_out: dict[tuple[str, str], None] = {}
    for name in _LISTS:
        entries = found.get(name, {})
        if not isinstance(entries, dict):
            raise SourceError(f"file {path}: {name}: expected entries by vt_symbol, was {str(entries)[:80]!r}")
        for vt_symbol, entry in entries.items():
            symbol, point, exchange = vt_symbol.rpartition(".")
            if not point or not symbol or not exchange:
                raise SourceError(f"file {path}: {name}: expected symbol.EXCHANGE, was {vt_symbol!r}")
            if not isinstance(entry, dict):
                raise SourceError(f"file {path}: {name}.{vt_symbol}: expected an object, was {str(entry)[:80]!r}")
            gateway = str(entry.get("gateway_name", ""))
            if exchange == _LOCAL:
                left_out[vt_symbol, "a spread that VeighNa makes is no instrument of an exchange"] = None
            elif gateway in SECTIONS and not is_chinese(venue_of_code(exchange) or ""):
                raise SourceError(
                    f"file {path}: {name}.{vt_symbol}: expected an exchange of {gateway}, was {exchange!r}"
                )
            else:
                instruments.setdefault(gateway, {})[symbol if gateway in SECTIONS else vt_symbol] = None
    return RecorderSettings({gateway: sorted(names) for gateway, names in instruments.items()}, tuple(left_out))


__all__ = ["SECTIONS", "RecorderSettings", "recorder_settings"]
