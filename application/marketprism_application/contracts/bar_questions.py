"""Questions about which bars are stored, as `questions` has those about the bars themselves."""

from __future__ import annotations

import msgspec


class MinuteSpans(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="method", tag="minute_spans"):
    """Where there are minute bars of an instrument: per venue, trading day and span of `width_ns` of the clock the
    opening of the first and of the last of them (`arrow_tables.MINUTE_SPANS`), oldest first; of those that open in
    [ts_from, ts_to) and on the days asked for, at most `limit` spans, of the newest ones with `last`.
    """

    symbol: str
    venue: str | None = None
    ts_from: int | None = None
    ts_to: int | None = None
    from_day: str | None = None
    to_day: str | None = None
    width_ns: int = 3_600 * 10**9
    limit: int = 20_000
    last: bool = False


__all__ = ["MinuteSpans"]
