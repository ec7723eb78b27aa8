"""What is wrong with the services, on the screen of `marketprism up`: one that runs and cannot work ends nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from marketprism_sdk.errors import SdkError, reason_of
from marketprism_sdk.messaging import NatsBus, RpcClient
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_services.cli.options import err

_LOOK_S = 5.0
_WELL_LOOK_S = 15.0  # where the last look has found nothing
_LOOKS = 3  # in a row, before something is told: a start, a take-over or a busy moment is shorter
_MONITOR_S = 3.0
_NUMBERS = re.compile(r"\d+(\.\d+)?")


class ProblemLines:
    """Which of what is found at each look is told: what lasts, once, and that it is over."""

    def __init__(self, looks: int = _LOOKS) -> None:
        self._looks = looks
        self._seen: dict[str, int] = {}  # in how many looks, by the text without its numbers, which go on changing
        self._told: dict[str, str] = {}

    def look(self, problems: Iterable[str]) -> list[str]:
        """Lines to be shown now."""
        found = {_NUMBERS.sub("#", text): text for text in problems}
        self._seen = {key: self._seen.get(key, 0) + 1 for key in found}
        new = {key: found[key] for key, looks in self._seen.items() if looks >= self._looks and key not in self._told}
        over = [self._told.pop(key) for key in list(self._told) if key not in found]
        self._told |= new
        return [f"wrong: {text}" for text in new.values()] + [f"over: {text}" for text in over]


async def show_problems(connection: NatsConnection) -> None:
    """Look every few seconds until cancelled."""
    lines, problems = ProblemLines(), ["not looked at yet"]
    while True:
        await asyncio.sleep(_LOOK_S if problems else _WELL_LOOK_S)
        try:
            problems = await _problems(connection)
        except SdkError:
            continue  # NATS is away, which is told already
        except Exception as error:  # noqa: BLE001 (told like the others, and looked again)
            problems = [f"problems cannot be seen: {reason_of(error)}"]
        for line in lines.look(problems):
            err.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)


async def _problems(connection: NatsConnection) -> list[str]:
    from marketprism_services.monitor.overview import overview  # noqa: PLC0415 (loads aiohttp: once the services run)

    found = (await overview(connection)).problems
    try:
        monitor = await RpcClient(NatsBus(connection)).call("monitor", "status", timeout_s=_MONITOR_S)
        found += [str(text) for text in monitor["problems"]]
    except (SdkError, KeyError, TypeError):
        pass  # a monitor that does not answer is among what was found
    # What is wrong with the source is told where its progress is.
    return [text for text in found if not (text.startswith("gateway ") and "unhealthy: source:" in text)]
