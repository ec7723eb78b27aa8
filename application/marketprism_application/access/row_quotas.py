"""Rows a day that somebody is answered, counted over all instances.

Each instance counts for itself and writes its own counts, a second apart, into records that nobody else writes; what
all have written is added up in memory. So a request costs no write, and a quota is exact to what is answered in a
second or two. A day is one of UTC.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import NamedTuple

from marketprism_application.access.principal import Principal, RowQuota
from marketprism_application.access.refusals import QuotaSpent
from marketprism_application.contracts.access_records import RowCount
from marketprism_application.ports.access_store import AccessStore, Change, RecordChanged

DAY_S = 86_400
_NS = 10**9
_PLAIN = re.compile(r"[^A-Za-z0-9_-]")


class RowAllowance(NamedTuple):
    """Of the quota that is nearest to its end: how much it is, what is left, and seconds until there is all of it."""

    quota: RowQuota
    remaining: int
    reset_s: int


class RowQuotas:
    """The counts of this instance, and what it has heard of the others'."""

    def __init__(self, store: AccessStore, instance: str, clock: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._instance = _PLAIN.sub("_", instance)
        self._clock = clock
        self._number, self._day = -1, ""
        self._own: dict[str, int] = {}
        self._others: dict[str, dict[str, int]] = {}  # by account and instance
        self._changed: set[str] = set()
        self._revisions: dict[str, int] = {}

    def start(self) -> Callable[[], None]:
        """Take what is stored, and hear of changes until the returned function is called."""
        forget = self._store.on_change(self._changed_elsewhere)
        self._begin_day()
        self._hear_all()
        return forget

    def check(self, who: Principal) -> None:
        """Raises QuotaSpent: nothing is left of one of its quotas."""
        for quota in who.quotas:
            if self.used(quota.account) >= quota.rows:
                text = f"rows: expected at most {quota.rows} a day (UTC) for {quota.account}, all were answered"
                raise QuotaSpent(text, self._reset_s())

    def take(self, who: Principal, rows: int) -> None:
        """Count rows that were answered."""
        if rows > 0:
            self._begin_day()
            for quota in who.quotas:
                self._own[quota.account] = self._own.get(quota.account, 0) + rows
                self._changed.add(quota.account)

    def used(self, account: str) -> int:
        """Rows of today, by all instances."""
        self._begin_day()
        return self._own.get(account, 0) + sum(self._others.get(account, {}).values())

    def allowance(self, who: Principal) -> RowAllowance | None:
        """What is left; None where nothing is counted."""
        found = [
            RowAllowance(quota, max(0, quota.rows - self.used(quota.account)), self._reset_s()) for quota in who.quotas
        ]
        return min(found, key=lambda each: each.remaining, default=None)

    async def write(self) -> None:
        """Write what has changed since the last time. What cannot be written is written the next time.

        Raises:
            Exception: what the store raises.
        """
        self._begin_day()
        for account in list(self._changed):
            record = RowCount(id=f"{self._day}.{account}.{self._instance}", rows=self._own[account])
            self._changed.discard(account)
            try:
                self._revisions[account] = await self._store.write(record, self._revisions.get(account, 0))
            except RecordChanged:  # its bucket is another one
                stored = await self._read(record.id, account)
                self._revisions[account] = 0 if stored is None else stored
            except BaseException:
                self._changed.add(account)
                raise

    async def _read(self, key: str, account: str) -> int | None:
        self._changed.add(account)
        stored = await self._store.read(RowCount, key)
        return None if stored is None else stored.revision

    def _hear_all(self) -> None:
        for record in self._store.all(RowCount):
            self._hear(Change(RowCount, record.id, record))

    def _changed_elsewhere(self, change: Change) -> None:
        if change.kind is RowCount:
            self._begin_day()
            self._hear(change)

    def _hear(self, change: Change) -> None:
        record = change.record
        day, _, rest = change.id.partition(".")
        account, _, instance = rest.partition(".")
        if isinstance(record, RowCount) and day == self._day and instance != self._instance:
            self._others.setdefault(account, {})[instance] = record.rows

    def _begin_day(self) -> None:
        number = self._clock() // (DAY_S * _NS)
        if number == self._number:
            return
        self._number, self._day = number, time.strftime("%Y%m%d", time.gmtime(number * DAY_S))
        for each in (self._own, self._others, self._revisions):
            each.clear()
        self._changed.clear()
        self._hear_all()  # another instance's clock may have been there before

    def _reset_s(self) -> int:
        return DAY_S - self._clock() // _NS % DAY_S
