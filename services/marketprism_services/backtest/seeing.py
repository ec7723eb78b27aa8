"""What a caller may run and see: data by entitlements, results of others where their data may be seen."""

from __future__ import annotations

from marketprism_application.access.entitlements import Entitlement, Entitlements
from marketprism_application.access.scopes import Scope
from marketprism_application.contracts.backtests import BacktestRecord, RunQuestion
from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import BAR, TICK
from marketprism_sdk.errors import RemoteError
from marketprism_sdk.messaging import Caller
from marketprism_services.backtest.rows import rows_asked

NOBODY = "nats"  # who asks over NATS gives no name


def name_of(caller: Caller | None) -> str:
    """Whose a record is."""
    return caller.id if caller is not None and caller.id else NOBODY


def may_see(caller: Caller | None, question: RunQuestion) -> bool:
    """Whether a caller may see the rows of a run, from their beginning, without a delay."""
    if caller is None or caller.sees_all:
        return True
    seen = Entitlements(
        tuple(
            Entitlement(_texts(each.get("venues")), _texts(each.get("symbols")), _texts(each.get("kinds")))
            for each in caller.entitlements
            if not each.get("delay_s") and not each.get("history_days")
        )
    )
    asked = rows_asked(question)
    kinds = [BAR.name] * bool(asked.bars_of) + [TICK.name] * asked.wants_ticks
    return all(seen.allows(question.venue, symbol, kind) for symbol in question.instruments for kind in kinds)


def check_may_run(caller: Caller | None, question: RunQuestion) -> None:
    """Raises RemoteError: NOT_ENTITLED, the rows are not for this caller."""
    if not may_see(caller, question):
        names = ", ".join(question.instruments)
        raise RemoteError(
            Code.NOT_ENTITLED, f"instruments: expected those that {name_of(caller)} may see, was {names}"[:300]
        )


def check_may_look(caller: Caller | None, record: BacktestRecord) -> None:
    """Raises RemoteError: NOT_ENTITLED, the result tells prices that are not for this caller."""
    if record.user != name_of(caller) and not may_see(caller, record.question):
        raise RemoteError(
            Code.NOT_ENTITLED, f"id: expected a run of rows that {name_of(caller)} may see, was {record.id}"
        )


def check_may_end(caller: Caller | None, record: BacktestRecord) -> None:
    """Raises RemoteError: FORBIDDEN, it is somebody else's."""
    if caller is None or record.user == name_of(caller) or Scope.OPERATE in caller.scopes:
        return
    raise RemoteError(
        Code.FORBIDDEN, f"id: expected a run of one's own, or scope {Scope.OPERATE}, was one of {record.user}"
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list | tuple) else ()


__all__ = ["check_may_end", "check_may_look", "check_may_run", "may_see", "name_of"]
