"""Names of instruments as frames write them: checked before anything is kept under them."""

from __future__ import annotations

from marketprism_application.venues.protocol import ParseRefused

_LONGEST = 48  # ours may be longer by a quote currency and `-PERP`, and has 64
_JOINTS = str.maketrans("", "", "-_.:/")


def checked_name(name: str, field: str) -> str:
    """The same name: letters of any script and digits, and between them `-_.:/`.

    Raises:
        ParseRefused: anything else, nothing, or longer than any name is.
    """
    if len(name) <= _LONGEST and name[:1].isalnum() and name.translate(_JOINTS).isalnum():
        return name
    raise ParseRefused("field", f"{field}: expected the name of an instrument, was {name[:_LONGEST]!r}")


def other_name(field: str, expected: str, name: str) -> ParseRefused:
    """What to raise for a frame whose stream and whose content name different instruments."""
    return ParseRefused("field", f"{field}: expected {expected!r}, whose stream it is, was {name[:_LONGEST]!r}")
