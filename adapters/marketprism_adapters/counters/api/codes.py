"""What the counter's numbers mean. Source: the API's own error.xml and documentation (6.7.x)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DISCONNECTED = {
    0x1001: "network read failed",
    0x1002: "network write failed",
    0x2001: "heartbeat from the front timed out",
    0x2002: "heartbeat to the front failed",
    0x2003: "a malformed packet arrived",
}
ERRORS = {
    3: "wrong user or password",
    7: "the account is not active",
    9: "the investor is unknown",
    59: "wrong broker or user",
    63: "the authentication code or AppID was refused",
    68: "too many logins a second",
    75: "logins failed too often, the account is locked for now",
    90: "the query is limited to one a second",
    131: "the weak password must be changed first",
    140: "the first login must change the password",
    143: "the account is locked",
    6000: "more instruments than the counter allows one session",
}
# THOST_FTDC_IS_…, what OnRtnInstrumentStatus says.
STATUS = {
    "0": "pre_open",
    "1": "break",
    "2": "continuous",
    "3": "auction_order",
    "4": "auction_balance",
    "5": "auction_match",
    "6": "closed",
}
# Trying again with the same words cannot help: the account would be locked.
FATAL = {3, 7, 9, 59, 63, 75, 131, 140, 143}


def reason_of(reason: object) -> str:
    """Why a front went away."""
    number = int(str(reason)) & 0xFFFF
    return f"{DISCONNECTED.get(number, 'unknown reason')} ({number:#06x})"


def trouble(error: Mapping[str, Any]) -> str:
    """An answer's error in words; empty when there is none. GBK text comes as the API gave it."""
    number = int(error.get("ErrorID") or 0)
    if not number:
        return ""
    said = str(error.get("ErrorMsg") or "").strip()
    known = ERRORS.get(number)
    return f"error {number}: {', '.join(part for part in (known, said) if part) or 'no text'}"


def is_fatal(error: Mapping[str, Any]) -> bool:
    """Whether the same request must not be sent again."""
    return int(error.get("ErrorID") or 0) in FATAL
