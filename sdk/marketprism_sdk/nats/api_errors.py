"""What every error code of JetStream means for whoever asked (nats-server 2.15, `server/errors.json`).

`AGAIN`: nothing is decided, or there is no room now; the same request can succeed later. `FENCED`: an expectation was
not met, somebody else wrote. `MISSING`: the stream or consumer is not there. `ABSENT`: there is no such message.
`CONFIGURATION`: the server, the account or a stream is set up so that this cannot work; a person has to act. `FAULT`:
the request itself is wrong, which is a fault of the program that sent it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from marketprism_sdk.errors import Fenced, SdkError, StreamError, StreamMisconfigured, StreamMissing


class Meaning(StrEnum):
    """See the text of this module."""

    AGAIN = "again"
    FENCED = "fenced"
    MISSING = "missing"
    ABSENT = "absent"
    CONFIGURATION = "configuration"
    FAULT = "fault"


WRONG_LAST_SEQUENCE = 10071
UNSETTLED = 10164  # replicas: a write before this one is still on its way through them, its outcome is open
DUPLICATE_IN_BATCH = 10201  # a batch holds a message that the stream knows: nothing of the batch is taken
NAME_IN_USE = 10058  # somebody made the stream between the look and the making
STREAM_NOT_FOUND = 10059
NO_LEADER = 10008  # JetStream itself has none, as far as the server knows that answers: streams may have theirs
SERVER_FULL = 10047
NO_ROOM = {SERVER_FULL, 10002}  # of the server, of the account
_NO_PEERS = 10005

_CODES: dict[Meaning, tuple[int, ...]] = {
    Meaning.AGAIN: (
        10002, 10004, 10005, 10007, 10008, 10009, 10012, 10023, 10028, 10039, 10041, 10047, 10048, 10049, 10050, 10051,
        10057, 10069, 10072, 10075, 10076, 10077, 10104, 10110, 10118, 10119, 10124, 10158, 10163, 10164, 10167, 10176,
        10202, 10210, 10211, 10226,
    ),
    Meaning.FENCED: (10070, 10071, 10180),
    Meaning.MISSING: (10014, 10059, 10068, 10149, 10225),
    Meaning.ABSENT: (10037, 10043),
    Meaning.CONFIGURATION: (
        10006, 10010, 10011, 10026, 10027, 10035, 10036, 10052, 10053, 10056, 10058, 10060, 10061, 10065, 10074, 10109,
        10113, 10120, 10121, 10122, 10123, 10125, 10126, 10153, 10174, 10185, 10194, 10195,
    ),
    Meaning.FAULT: (
        10003, 10013, 10015, 10016, 10017, 10018, 10019, 10020, 10021, 10022, 10024, 10025, 10029, 10030, 10031, 10032,
        10033, 10034, 10038, 10040, 10042, 10044, 10045, 10046, 10054, 10055, 10062, 10063, 10064, 10066, 10067, 10073,
        10078, 10079, 10080, 10081, 10082, 10083, 10084, 10085, 10086, 10087, 10088, 10089, 10090, 10091, 10092, 10093,
        10094, 10095, 10096, 10097, 10098, 10099, 10100, 10101, 10102, 10103, 10105, 10106, 10107, 10108, 10111, 10112,
        10114, 10115, 10116, 10117, 10127, 10128, 10129, 10130, 10131, 10132, 10133, 10134, 10135, 10136, 10137, 10138,
        10139, 10140, 10141, 10142, 10143, 10144, 10145, 10146, 10147, 10148, 10150, 10151, 10152, 10154, 10155, 10156,
        10157, 10159, 10160, 10161, 10162, 10165, 10166, 10168, 10169, 10170, 10171, 10172, 10173, 10175, 10177, 10178,
        10179, 10181, 10182, 10183, 10184, 10186, 10187, 10188, 10189, 10190, 10191, 10192, 10193, 10196, 10197, 10198,
        10199, 10200, 10201, 10203, 10204, 10205, 10206, 10207, 10208, 10209, 10212, 10213, 10214, 10215, 10216, 10217,
        10218, 10219, 10220, 10221, 10222, 10223, 10224,
    ),
}  # fmt: skip
MEANINGS: dict[int, Meaning] = {code: meaning for meaning, codes in _CODES.items() for code in codes}

_ADVICE = {
    Meaning.CONFIGURATION: "the server, the account or the stream is not set up for it",
    Meaning.FAULT: "JetStream does not take such a request",
}


def meaning_of(code: int, status: int = 0, *, making: bool = False) -> Meaning:
    """What a code means; one that is not known is judged by its status, as HTTP has it.

    `making`: a stream was to be made or changed, and a server without room for it will not have any later.
    """
    if making and code in NO_ROOM:
        return Meaning.CONFIGURATION
    known = MEANINGS.get(code)
    if known is not None:
        return known
    if status == 429 or status >= 500:
        return Meaning.AGAIN
    return Meaning.MISSING if status == 404 else Meaning.FAULT


def error_of(refusal: dict[str, Any], what: str, *, making: bool = False) -> SdkError:
    """The error to raise for a refusal of JetStream; the text names what was asked, the reason and the code."""
    code, status = int(refusal.get("err_code", 0)), int(refusal.get("code", 0))
    if making and code == _NO_PEERS and "insufficient" in str(refusal.get("description")):
        code = SERVER_FULL  # what a single server says of the same thing
    text = f"{what}: {refusal.get('description') or 'refused'} (error {code or status})"
    meaning = meaning_of(code, status, making=making)
    if meaning is Meaning.FENCED:
        return Fenced(text)
    if meaning is Meaning.AGAIN:
        return StreamError(text, code, retryable=True)
    if meaning in (Meaning.MISSING, Meaning.ABSENT):
        return StreamMissing(text, code) if meaning is Meaning.MISSING else StreamError(text, code)
    if meaning is Meaning.CONFIGURATION:
        return StreamMisconfigured(f"{text}: {_ADVICE[meaning]}", code)
    return StreamError(f"{text}: {_ADVICE[meaning]}", code)
