"""What is not there yet is waited for at a start, what is wrong is not."""

from __future__ import annotations

import pytest

from marketprism_sdk.errors import NotConnected, SdkError
from marketprism_services.platform.patience import patiently
from marketprism_services.settings.errors import SettingsError


def is_away(error: Exception) -> bool:
    return isinstance(error, SdkError) and error.retryable


class Starting:
    """Fails with the errors one after another, and is there then."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return "there"


async def test_what_is_away_is_tried_again_and_each_wait_is_told() -> None:
    work, told = Starting(NotConnected("a"), NotConnected("b")), list[str]()
    assert await patiently(work, is_away, 5, lambda error: told.append(str(error))) == "there"
    assert (work.asked, told) == (3, ["a", "b"])


async def test_the_last_attempt_raises_what_it_met() -> None:
    work = Starting(NotConnected("a"), NotConnected("b"), NotConnected("c"))
    with pytest.raises(NotConnected, match="b"):
        await patiently(work, is_away, 2)
    assert work.asked == 2


async def test_what_is_wrong_is_raised_at_once() -> None:
    work = Starting(SettingsError("two folders"))
    with pytest.raises(SettingsError, match="two folders"):
        await patiently(work, is_away, 5)
    assert work.asked == 1
