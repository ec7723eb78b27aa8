"""The rows of an answer, counted for whoever asked: the door says for whom, whoever answers says how many."""

from __future__ import annotations

from aiohttp import web

from marketprism_application.access.principal import Principal
from marketprism_application.access.row_quotas import DAY_S, RowAllowance, RowQuotas


class RowCounter:
    """Of one request."""

    def __init__(self, quotas: RowQuotas, who: Principal) -> None:
        self._quotas = quotas
        self._who = who
        self.is_used = False

    def check(self) -> None:
        """Raises QuotaSpent: nothing is left for whoever asks."""
        self.is_used = True
        self._quotas.check(self._who)

    def take(self, rows: int) -> None:
        """Count rows that are answered."""
        self._quotas.take(self._who, rows)

    def allowance(self) -> RowAllowance | None:
        """What is left of the day."""
        return self._quotas.allowance(self._who)


_COUNTER = web.RequestKey("rows", RowCounter)


def count_for(request: web.Request, quotas: RowQuotas, who: Principal) -> None:
    """Count the rows of the answer to this request, where whoever asks has a quota."""
    if who.quotas:
        request[_COUNTER] = RowCounter(quotas, who)


def check_rows(request: web.Request) -> None:
    """Raises QuotaSpent: whoever asks has been answered all rows of today."""
    if (counter := request.get(_COUNTER)) is not None:
        counter.check()


def take_rows(request: web.Request, rows: int) -> None:
    """Count rows of the answer."""
    if (counter := request.get(_COUNTER)) is not None:
        counter.take(rows)


def rows_left(request: web.Request) -> tuple[str, str] | None:
    """What `RateLimit-Policy` and `RateLimit` say of rows; None where the answer has none that are counted."""
    counter = request.get(_COUNTER)
    left = None if counter is None or not counter.is_used else counter.allowance()
    if left is None:
        return None
    return f'"rows";q={left.quota.rows};w={DAY_S}', f'"rows";r={left.remaining};t={left.reset_s}'
