"""The question `tally` of the storage service: how much of a range of a stream lies in the tables.

Asked by who reconciles; the request and the answer are plain, so that a shell can ask too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from marketprism_application.contracts.kinds import KINDS
from marketprism_application.ports.storage import StoreTally, TickKey
from marketprism_sdk.errors import RemoteError, SdkError
from marketprism_sdk.messaging import LeaderClient

_ASK_S = 10.0


class TallyRequest(msgspec.Struct, frozen=True):
    """Places of `kind` in [first, last]; or, where `ticks` are named, which of them have no row."""

    kind: str = "tick"
    first: int = 0
    last: int = 0
    ticks: list[TickKey] | None = None


class Tally(NamedTuple):
    """Places with a row, and places that were set aside."""

    rows: int
    dead: int


class TallyAnswer(msgspec.Struct, frozen=True):
    """What `answer_tally` says: counts, or the ticks without a row."""

    rows: int = 0
    dead: int = 0
    absent: list[TickKey] = []


async def answer_tally(tally: StoreTally, asked: TallyRequest) -> dict[str, Any]:
    """Answer of one request.

    Raises:
        RemoteError: INVALID_PARAMETER, with the field. StoreError: engine trouble.
    """
    kind = KINDS.get(asked.kind)
    if kind is None:
        raise RemoteError("INVALID_PARAMETER", f"tally.kind: expected one of {', '.join(KINDS)}, was {asked.kind!r}")
    if asked.ticks is not None:
        return {"absent": list(await tally.absent(asked.ticks))}
    rows = await tally.rows(kind, asked.first, asked.last)
    return {"rows": rows, "dead": await tally.dead(kind.stream, asked.first, asked.last)}


class RemoteTally:
    """What the storage leader counts."""

    def __init__(self, leader: LeaderClient) -> None:
        self._leader = leader

    async def of(self, kind: str, first: int, last: int) -> Tally:
        """Raises SdkError: nobody leads, the store does not answer, or the answer is none."""
        answer = await self._ask({"kind": kind, "first": first, "last": last})
        return Tally(answer.rows, answer.dead)

    async def absent(self, ticks: list[TickKey]) -> list[TickKey]:
        """Those without a row. Raises as `of`."""
        known = set(ticks)
        return [key for key in (await self._ask({"ticks": ticks})).absent if key in known]

    async def _ask(self, asked: dict[str, Any]) -> TallyAnswer:
        answer = await self._leader.call("tally", asked, timeout_s=_ASK_S, idempotent=True)
        try:
            return msgspec.convert(answer, TallyAnswer)
        except msgspec.ValidationError as error:
            raise SdkError(f"tally: expected counts of rows, was something else: {error}") from error


__all__ = ["RemoteTally", "Tally", "TallyRequest", "answer_tally"]
