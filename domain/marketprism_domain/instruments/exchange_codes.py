"""What the Chinese exchanges are called by others."""

from __future__ import annotations

# What vnpy, TianQin, Wind, RQData and JoinQuant call an exchange, beside its own name.
_CODES: dict[str, str] = {
    "shfe": "shf xsge",
    "ine": "xine",
    "dce": "xdce",
    "czce": "czc xzce zce",
    "gfex": "gfe",
    "cffex": "cfe ccfx cffe",
    "sse": "sh xshg",
    "szse": "sz xshe",
}
_VENUE_OF_CODE = {code: venue for venue, codes in _CODES.items() for code in (venue, *codes.split())}


def venue_of_code(code: str) -> str | None:
    """The exchange that a code means, in any case: `shfe` of `SHFE`, `SHF` or `XSGE`; None for any other."""
    return _VENUE_OF_CODE.get(code.casefold())


def is_chinese(venue: str) -> bool:
    """Whether a venue is one of the Chinese exchanges."""
    return venue in _CODES
