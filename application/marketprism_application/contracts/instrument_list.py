"""What a gateway answers about its list of instruments."""

from __future__ import annotations

from typing import Final

import msgspec

INSTRUMENT_LIST: Final = "instrument_list"  # the method


class InstrumentList(msgspec.Struct, frozen=True):
    """`live`: its source delivers what happens now, so that the list ages. `read_at` is when the list was read last,
    seconds since 1970, 0 before the first time."""

    live: bool
    read_at: float


__all__ = ["INSTRUMENT_LIST", "InstrumentList"]
