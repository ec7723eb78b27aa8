"""Why there is no answer: how it travels, and what follows from each code, in one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

import msgspec


class Code(StrEnum):
    """What went wrong, in one word that programs compare; `CONSEQUENCES` has what follows from each."""

    INVALID_PARAMETER = "INVALID_PARAMETER"  # the caller's mistake: the text names the field
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"  # nobody has an instrument of this name: the text has the nearest names
    RESPONSE_TOO_LARGE = "RESPONSE_TOO_LARGE"  # more bytes than a message may have: ask for less at a time
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"  # more than the caller may ask: Retry-After says when to ask again
    MALFORMED = "MALFORMED"  # a request that is not what its form has to be
    CONTENT_TYPE = "CONTENT_TYPE"  # a body in a form that is not taken
    INVALID_PATH = "INVALID_PATH"  # a path that means another than it seems to
    UNAUTHENTICATED = "UNAUTHENTICATED"  # nobody said who asks
    # It was good, and its time is over: it is renewed, or asked for anew.
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 (a code)
    # Forged, of another place, or of a session that is over.
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 (a code)
    KEY_REVOKED = "KEY_REVOKED"  # or expired, or of an owner who is gone
    CSRF = "CSRF"  # a session's cookie without the header that only its own page can send
    ORIGIN = "ORIGIN"  # a page of somewhere else asks
    ADDRESS = "ADDRESS"  # a key from a network that it may not be used from
    LOCKED_OUT = "LOCKED_OUT"  # too many failed logins: the text says for how long
    QUOTA = "QUOTA"  # all rows of a day were answered: the text says of whose quota
    NOT_FOUND = "NOT_FOUND"  # a user, key, role or session that there is not
    CONFLICT = "CONFLICT"  # it is there already, or somebody else changed it, or it is the last of its kind
    CHANGED = "CHANGED"  # somebody else has changed it meanwhile: the details have it as it is now
    UNEXPECTED_CHANGE = "UNEXPECTED_CHANGE"  # a repair would change bars that have no defect: the details have them
    MIXED_DATA = "MIXED_DATA"  # simulated rows for a store of real ones, or the reverse
    COMMAND_REFUSED = "COMMAND_REFUSED"  # a service does not do it, or could not: the text has its reason
    OFF_TICK = "OFF_TICK"  # an order's price or quantity is between two steps, and is not to be rounded
    LEVERAGE_TOO_HIGH = "LEVERAGE_TOO_HIGH"  # more than the tier of the order's size allows: the text names it
    ORDER_REFUSED = "ORDER_REFUSED"  # an order breaks another rule of its venue
    NO_PRICE = "NO_PRICE"  # none was given, and the platform has none
    NO_DATA = "NO_DATA"  # a backtest of a range without rows: the text says what there is
    STRATEGY_IMPORT_FAILED = "STRATEGY_IMPORT_FAILED"  # or no strategy: the text names file and line
    FORBIDDEN = "FORBIDDEN"  # whoever asks may not do this: the text names the scope
    NOT_ENTITLED = "NOT_ENTITLED"  # or not see this instrument, or this kind of its data
    STORE_ERROR = "STORE_ERROR"  # the store could not answer
    SOURCE_ERROR = "SOURCE_ERROR"  # a source or a recording cannot be read
    UNAVAILABLE = "UNAVAILABLE"  # whoever would answer is away: ask again
    NOT_ACTIVE = "NOT_ACTIVE"  # a standby was asked
    OVERLOADED = "OVERLOADED"  # whoever would answer has more to do than it takes
    MALFORMED_REPLY = "MALFORMED_REPLY"  # what came back is no answer
    INTERNAL = "INTERNAL"  # a fault of whoever was asked, whose log says why


class Failure(msgspec.Struct, frozen=True):
    """Why there is no answer."""

    code: str
    message: str
    retryable: bool = False


class AnswerError(Exception):
    """The other side answered with a failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Consequence(NamedTuple):
    """What a code means to those who are answered.

    Attributes:
        status: of HTTP.
        exit: exit code of a command (`marketprism_services.platform.exits` has the whole list).
        passing: whoever was asked is away or busy: to a client it is UNAVAILABLE, whichever of these it was.
    """

    status: int
    exit: int
    passing: bool = False


_FAILED, _USAGE, _INPUT, _STORE = 1, 2, 3, 5
_OTHER = Consequence(503, _STORE)
CONSEQUENCES: Mapping[str, Consequence] = MappingProxyType(
    {
        Code.INVALID_PARAMETER: Consequence(400, _USAGE),
        Code.UNKNOWN_SYMBOL: Consequence(404, _FAILED),
        Code.RESPONSE_TOO_LARGE: Consequence(413, _USAGE),
        Code.TOO_MANY_REQUESTS: Consequence(429, _STORE),
        Code.MALFORMED: Consequence(400, _USAGE),
        Code.CONTENT_TYPE: Consequence(415, _USAGE),
        Code.INVALID_PATH: Consequence(400, _USAGE),
        Code.UNAUTHENTICATED: Consequence(401, _FAILED),
        Code.TOKEN_EXPIRED: Consequence(401, _FAILED),
        Code.TOKEN_INVALID: Consequence(401, _FAILED),
        Code.KEY_REVOKED: Consequence(401, _FAILED),
        Code.CSRF: Consequence(403, _FAILED),
        Code.ORIGIN: Consequence(403, _FAILED),
        Code.ADDRESS: Consequence(403, _FAILED),
        Code.LOCKED_OUT: Consequence(429, _STORE),
        Code.QUOTA: Consequence(429, _STORE),
        Code.NOT_FOUND: Consequence(404, _FAILED),
        Code.CONFLICT: Consequence(409, _FAILED),
        Code.CHANGED: Consequence(412, _FAILED),
        Code.UNEXPECTED_CHANGE: Consequence(409, _FAILED),
        Code.MIXED_DATA: Consequence(409, _INPUT),
        Code.COMMAND_REFUSED: Consequence(422, _FAILED),
        Code.OFF_TICK: Consequence(400, _USAGE),
        Code.LEVERAGE_TOO_HIGH: Consequence(400, _USAGE),
        Code.ORDER_REFUSED: Consequence(400, _USAGE),
        Code.NO_PRICE: Consequence(400, _USAGE),
        Code.NO_DATA: Consequence(409, _INPUT),
        Code.STRATEGY_IMPORT_FAILED: Consequence(400, _USAGE),
        Code.FORBIDDEN: Consequence(403, _FAILED),
        Code.NOT_ENTITLED: Consequence(403, _FAILED),
        Code.STORE_ERROR: _OTHER,
        Code.SOURCE_ERROR: Consequence(503, _INPUT),
        Code.UNAVAILABLE: Consequence(503, _STORE, passing=True),
        Code.NOT_ACTIVE: Consequence(503, _STORE, passing=True),
        Code.OVERLOADED: Consequence(503, _STORE, passing=True),
        Code.MALFORMED_REPLY: _OTHER,
        Code.INTERNAL: _OTHER,
    }
)  # a code that is not here is the other side's own, which answers for itself: as INTERNAL


def consequence_of(code: str) -> Consequence:
    """What follows from a code, also one that is not known here."""
    return CONSEQUENCES.get(code, _OTHER)


def http_code(code: str) -> str:
    """The code as HTTP names it: what is not the caller's to mend is UNAVAILABLE."""
    return code if consequence_of(code).status < 500 else Code.UNAVAILABLE


def client_code(code: str) -> str:
    """The code as a client of the NATS side gets it."""
    return Code.UNAVAILABLE if consequence_of(code).passing else code


_PLACE = re.compile(r"^(?P<text>.*?)(?: - at `\$?\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<field>[^`]*)`$")
_MOST = 200


def wrong_field(error: Exception, whole: str) -> str:
    """The text of a decoding error as ours are: the field's path, what was expected and what it was.

    `whole` names what was decoded, for an error that is about all of it.
    """
    found = _PLACE.match(str(error))
    text, path = (found["text"], found["path"]) if found is not None else (str(error), None)
    missing = _MISSING.match(text)
    if missing is not None:
        return f"{'.'.join(filter(None, (path, missing['field'])))}: expected a value, was none"
    if text.startswith("Expected "):
        text = text[0].lower() + text[1:].replace(", got ", ", was ").replace("`", "")
    return f"{path or whole}: {text}"[:_MOST]
