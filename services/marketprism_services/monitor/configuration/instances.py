"""The instances that follow the central configuration: what they say to a proposal, and who has which version."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import TypeVar

import msgspec

from marketprism_application.contracts.config_records import (
    CHECK_CONFIG,
    CONFIG_GIVEN,
    PENDING_KEY,
    PINNED_KEY,
    REFUSED_KEY,
    VERSION_KEY,
    ConfigVerdict,
    InstanceStanding,
    ValueGiven,
    Values,
)
from marketprism_sdk.errors import DeadlineExceeded, NoResponders, NotConnected, RemoteError
from marketprism_sdk.messaging import Discovery, InstanceRecord, RpcClient

CHECK_S = 2.0
_LOOK_S = 0.02
_ENDING = "draining"
T = TypeVar("T")


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
        return Answers(*await self._ask_all(CHECK_CONFIG, {"values": values}, ConfigVerdict))

    async def given(self) -> tuple[dict[str, dict[str, ValueGiven]], dict[str, str]]:
        """What each runs with, by `<service>.<instance>` and setting; and why there is no answer of the others."""
        return await self._ask_all(CONFIG_GIVEN, {}, dict[str, ValueGiven])

    async def _ask_all(self, method: str, asked: object, kind: type[T]) -> tuple[dict[str, T], dict[str, str]]:
        """Answers, and why there is none."""
        await self._discovery.refresh()
        standings = self.standings()
        found = await asyncio.gather(*(self._ask(each, method, asked, kind) for each in standings))
        answers, silent = dict[str, T](), dict[str, str]()
        for each, (answer, why) in zip(standings, found, strict=True):
            if answer is None:
                silent[each.key] = why
            else:
                answers[each.key] = answer
        return answers, silent

    async def _ask(self, of: InstanceStanding, method: str, asked: object, kind: type[T]) -> tuple[T | None, str]:
        try:
            answer = await self._calls.call(of.service, method, asked, instance=of.instance, timeout_s=CHECK_S)
            return msgspec.convert(answer, kind), ""
        except NoResponders:
            return None, "nobody answers there; it may have been killed"
        except (DeadlineExceeded, NotConnected):
            return None, f"no answer within {CHECK_S:g} s"
        except (RemoteError, msgspec.ValidationError) as error:
            return None, str(error)[:300]

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
