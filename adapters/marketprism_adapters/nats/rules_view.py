"""The validation rules in force as somebody outside the validators sees them: their bucket, and what each says."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

import msgspec

from marketprism_adapters.nats.rules_log import RulesLog
from marketprism_application.contracts.rules_records import RULES_IN_FORCE, RulesRecord, ValidatorRules
from marketprism_domain.errors import InvalidValue
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.errors import DeadlineExceeded, NoResponders, RemoteError
from marketprism_sdk.messaging import Discovery, RpcClient

VALIDATOR = "validator"
MONITOR = "monitor"
_ASK_S = 1.0
_PAUSE_S = 0.05


class ValidatorAnswer(NamedTuple):
    """What one validator judges by; None, and `problem`, where it does not say."""

    instance: str
    rules: ValidationRules | None
    version: int | None
    problem: str = ""

    def is_behind(self, version: int) -> bool:
        """Whether it does not judge by a version, or a later one, as far as it says."""
        return self.version is None or self.version < version


class RulesInForce(NamedTuple):
    """`record` is who changed them; None where the settings' are in force. `validators` are those that were asked."""

    rules: ValidationRules
    record: RulesRecord | None
    validators: list[ValidatorAnswer]


def trial_monitor(discovery: Discovery) -> str:
    """The monitor that trials are asked of: always the same one, so that one trial runs at a time however many monitors
    there are, and whoever asks.

    Raises:
        NoResponders: none runs.
    """
    monitors = [each for each in discovery.instances(MONITOR) if each.status == "active"]
    if not monitors:
        raise NoResponders(f"{MONITOR}: expected an instance that judges the log, there is none now")
    return min(monitors, key=lambda each: (each.ts_started, each.instance)).instance


class RulesView:
    """Reads it when it is asked for."""

    def __init__(self, log: RulesLog, calls: RpcClient, discovery: Discovery) -> None:
        self._log = log
        self._calls = calls
        self._discovery = discovery

    async def read(self) -> RulesInForce:
        """The rules in force.

        Raises:
            NoResponders: nobody has changed any, and no validator says what its settings are.
            SdkError: NATS does not answer.
        """
        current, validators = await asyncio.gather(self._log.current(), self.validators())
        if current is not None:
            return RulesInForce(current, await self._log.record(current.version), validators)
        said = [each.rules for each in validators if each.rules is not None]
        if not said:
            raise NoResponders("rules: expected a validator that says which are in force, none answers")
        return RulesInForce(max(said, key=lambda each: each.version), None, validators)

    async def validators(self) -> list[ValidatorAnswer]:
        """What each validator of the registry judges by. Raises NotConnected."""
        names = [each.instance for each in self._discovery.instances(VALIDATOR) if each.status == "active"]
        return list(await asyncio.gather(*map(self._ask, names)))

    async def _ask(self, instance: str) -> ValidatorAnswer:
        try:
            found = await self._calls.call(VALIDATOR, RULES_IN_FORCE, instance=instance, timeout_s=_ASK_S)
            said = msgspec.convert(found, ValidatorRules)
            return ValidatorAnswer(instance, ValidationRules.from_dict(said.rules), said.version)
        except (DeadlineExceeded, NoResponders):
            return ValidatorAnswer(instance, None, None, f"no answer within {_ASK_S:g} s")
        except (RemoteError, msgspec.ValidationError, InvalidValue, TypeError) as error:  # of another version
            return ValidatorAnswer(instance, None, None, str(error)[:200])

    async def wait_for(self, version: int, within_s: float) -> list[ValidatorAnswer]:
        """What the validators say once all have a version, or when the time is up."""
        end = time.monotonic() + within_s
        while True:
            found = await self.validators()
            if not any(each.is_behind(version) for each in found) or time.monotonic() >= end:
                return found
            await asyncio.sleep(_PAUSE_S)


__all__ = ["MONITOR", "VALIDATOR", "RulesInForce", "RulesView", "ValidatorAnswer", "trial_monitor"]
