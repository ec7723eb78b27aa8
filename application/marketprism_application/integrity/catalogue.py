"""The table of checks: groups and codes, what each needs, and what it costs the score.

A report names every group of this table: that it ran, or why it could not.
"""

from __future__ import annotations

from typing import NamedTuple

from marketprism_domain.integrity.report import Certainty, Severity

BARS, TRADES, FUNDING, INTEREST, QUOTES = "bar", "trade", "funding_rate", "open_interest", "book_top"
OF_BARS, OF_ALL = (BARS,), (BARS, TRADES, FUNDING, INTEREST, QUOTES)


class CheckGroup(NamedTuple):
    """A group of checks: the kinds it is of, and the inputs without which it cannot run (`inputs.Inputs`)."""

    name: str
    kinds: tuple[str, ...]
    needs: tuple[str, ...]
    explanation: str


class CheckCode(NamedTuple):
    """What a group may find. `weight` is what one row of it costs the score, in bars."""

    code: str
    group: str
    severity: Severity
    certainty: Certainty
    weight: float
    explanation: str


GROUPS: tuple[CheckGroup, ...] = (
    CheckGroup("missing", OF_BARS, ("calendar",), "every bar that the calendar expects is there"),
    CheckGroup("unexpected", OF_BARS, ("calendar",), "no bar lies where the calendar has none"),
    CheckGroup("duplicate", OF_ALL, (), "no two rows have one key"),
    CheckGroup("ohlc", (BARS, TRADES), (), "prices and amounts of a row can be"),
    CheckGroup("step", (BARS, TRADES), ("terms",), "prices and amounts lie on the steps of the terms of their date"),
    CheckGroup("limits", OF_BARS, ("limits",), "prices lie within the limits of their trading day"),
    CheckGroup("jump", OF_BARS, (), "no price leaps and comes back"),
    CheckGroup("stale", OF_BARS, (), "no price stands still while there is volume"),
    CheckGroup("day_sums", OF_BARS, ("day bars",), "bars of a day add up to the bar of the day"),
    CheckGroup("klines", OF_BARS, ("klines",), "bars equal the venue's own"),
    CheckGroup(
        "trades", (BARS, TRADES), ("trades",), "bars equal the trades in them, and no trade's number is missing"
    ),
    CheckGroup("vwap", OF_BARS, ("turnover",), "the average price lies between low and high"),
    CheckGroup("checksum", OF_ALL, ("file",), "the file is the one that was published"),
    CheckGroup("time_unit", OF_ALL, ("stamps",), "times of a file have one unit"),
    CheckGroup("gaps", OF_BARS, ("gap ledger",), "bars that overlap a known gap say so, and no others"),
    CheckGroup("open_interest", (BARS, INTEREST), ("open interest",), "open interest is not negative"),
    CheckGroup("funding", (FUNDING,), (), "every settlement has its rate"),
)

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTICE
_SURE, _LIKELY, _SUSPECT = Certainty.CERTAIN, Certainty.LIKELY, Certainty.SUSPECT
_ROWS: tuple[CheckCode, ...] = (
    CheckCode("missing_bar", "missing", _E, _SURE, 1.0, "a bar that must be there is not"),
    CheckCode("missing_range", "missing", _E, _SURE, 1.0, "bars that must be there are not"),
    CheckCode("known_hole", "missing", _N, _SURE, 0.0, "bars that the venue itself does not have, as the ledger says"),
    CheckCode("unexpected_bar", "unexpected", _E, _SURE, 1.0, "a bar outside the sessions: a break, a closed day"),
    CheckCode("wrong_zone", "unexpected", _E, _LIKELY, 1.0, "bars some whole hours away from where they belong"),
    CheckCode("duplicate", "duplicate", _E, _SURE, 1.0, "several rows of one key with different values"),
    CheckCode("repeated", "duplicate", _N, _SURE, 0.0, "the same row several times, which is stored once"),
    CheckCode("ohlc", "ohlc", _E, _SURE, 1.0, "low above or high below another price, or an amount below zero"),
    CheckCode("off_tick", "step", _E, _SURE, 0.5, "a price between the steps of the instrument"),
    CheckCode("off_step", "step", _W, _SURE, 0.5, "an amount between the steps of the instrument"),
    CheckCode("outside_limits", "limits", _E, _SURE, 1.0, "a price beyond the limits of the trading day"),
    CheckCode("jump", "jump", _W, _SUSPECT, 0.5, "a price that leaps away and comes back within three bars"),
    CheckCode("leap", "jump", _N, _SUSPECT, 0.0, "a price that leaps and stays"),
    CheckCode("stale", "stale", _W, _SUSPECT, 0.2, "the same four prices over many bars with volume"),
    CheckCode("volume_mismatch", "day_sums", _E, _SURE, 0.2, "bars of a day do not add up to the bar of the day"),
    CheckCode("kline_mismatch", "klines", _E, _SURE, 1.0, "a bar that differs from the venue's own"),
    CheckCode("trade_mismatch", "trades", _E, _SURE, 1.0, "a bar that differs from its trades"),
    CheckCode("missing_trades", "trades", _E, _SURE, 1.0, "numbers of trades that are not there"),
    CheckCode("vwap_outside", "vwap", _E, _LIKELY, 0.5, "an average price outside low and high"),
    CheckCode("checksum", "checksum", _E, _SURE, 0.0, "a file that is not the one that was published, or not whole"),
    CheckCode("time_unit", "time_unit", _W, _SURE, 0.2, "times of another unit than the rest of the file"),
    CheckCode("gap_overlap", "gaps", _W, _SURE, 0.2, "a bar that overlaps a known gap and does not say so"),
    CheckCode(
        "gap_unknown", "gaps", _W, _LIKELY, 0.2, "a bar that says it overlaps a gap which the ledger does not have"
    ),
    CheckCode("oi_negative", "open_interest", _E, _SURE, 0.5, "open interest below zero"),
    CheckCode("funding_missing", "funding", _E, _SURE, 1.0, "a settlement without a rate"),
)
CODES: dict[str, CheckCode] = {row.code: row for row in _ROWS}
