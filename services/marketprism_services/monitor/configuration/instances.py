"""The instances that follow the central configuration: what they say to a proposal, and who has which version."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping

import msgspec

from marketprism_application.contracts.config_records import (
    CHECK_CONFIG,
    PENDING_KEY,
    PINNED_KEY,
    REFUSED_KEY,
    VERSION_KEY,
    ConfigVerdict,
    InstanceStanding,
    Values,
)
from marketprism_sdk.errors import DeadlineExceeded, NoResponders, NotConnected, RemoteError
from marketprism_sdk.messaging import Discovery, InstanceRecord, RpcClient

CHECK_S = 2.0
_LOOK_S = 0.02
_ENDING = "draining"


class Answers(msgspec.Struct, frozen=True):
    """What instances say to a proposal, by `<service>.<instance>`; `silent` is why there is no answer."""

    verdicts: dict[str, ConfigVerdict] = {}
    silent: dict[str, str] = {}

    def refusals(self) -> list[str]:
        """A line for each instance that would not take it."""
        return [f"{key} refuses: {each.refusal}" for key, each in sorted(self.verdicts.items()) if each.refusal]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def _standing(record: InstanceRecord) -> InstanceStanding | None:
    version: object = record.metadata.get(VERSION_KEY)
    if not isinstance(version, int):
        return None
    metadata: Mapping[str, object] = record.metadata
    return InstanceStanding(
        record.service,
        record.instance,
        version,
        _texts(metadata.get(PENDING_KEY)),
        _texts(metadata.get(PINNED_KEY)),
        _text(metadata.get(REFUSED_KEY)),
    )


class FollowingInstances:
    """By the registry. What is not of this platform, or of a version before central configuration, follows nothing and
    is not asked; neither is what has not finished its start, which reads the newest version by itself."""

    def __init__(self, calls: RpcClient, discovery: Discovery) -> None:
        self._calls = calls
        self._discovery = discovery

    def standings(self) -> list[InstanceStanding]:
        """Every instance that follows, by name."""
        records = [each for each in self._discovery.instances() if each.status != _ENDING]
        return [found for record in records if (found := _standing(record)) is not None]

    async def judge(self, values: Values) -> Answers:
        """What each would do with central values, asked all at once; who does not answer within two seconds is
        silent."""
        await self._discovery.refresh()
        standings = self.standings()
        found = await asyncio.gather(*(self._ask(each, values) for each in standings))
        by_key = {each.key: answer for each, answer in zip(standings, found, strict=True)}
        return Answers(
            {key: answer for key, answer in by_key.items() if isinstance(answer, ConfigVerdict)},
            {key: answer for key, answer in by_key.items() if isinstance(answer, str)},
        )

    async def _ask(self, of: InstanceStanding, values: Values) -> ConfigVerdict | str:
        try:
            answer = await self._calls.call(
                of.service, CHECK_CONFIG, {"values": values}, instance=of.instance, timeout_s=CHECK_S
            )
            return msgspec.convert(answer, ConfigVerdict)
        except NoResponders:
            return "nobody answers there; it may have been killed"
        except (DeadlineExceeded, NotConnected):
            return f"no answer within {CHECK_S:g} s"
        except (RemoteError, msgspec.ValidationError) as error:
            return str(error)[:300]

    async def unconfirmed(self, version: int, asked: Collection[str], within_s: float) -> dict[str, str]:
        """Who of those asked has not taken a version when the time is up, and why as far as it says. Who ends
        meanwhile is not waited for, nor who has refused it."""
        end = time.monotonic() + within_s
        while True:
            left = {each.key: each.refused for each in self.standings() if each.key in asked and each.version < version}
            refused = [text for text in left.values() if text.startswith(f"version {version}:")]
            if len(refused) == len(left) or time.monotonic() >= end:
                return {key: text or f"not confirmed within {within_s:g} s" for key, text in left.items()}
            await asyncio.sleep(_LOOK_S)


__all__ = ["Answers", "FollowingInstances"]
