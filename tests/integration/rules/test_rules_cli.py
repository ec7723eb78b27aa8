"""`marketprism rules`: seen, tried, changed and set back by a person."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import Result
from typer.testing import CliRunner

from marketprism_services.cli.rules import rules
from marketprism_services.platform.exits import Exit, Stop
from tests.integration.rules.rules_side import RawMessage, RulesPlace

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("rules")]


async def run(place: RulesPlace, *words: str) -> Result:
    invoke = CliRunner().invoke
    return await asyncio.to_thread(invoke, rules, [*words, "--nats-url", place.url], env={"COLUMNS": "220"})


async def shown(place: RulesPlace, *words: str) -> str:
    done = await run(place, *words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


async def fails(place: RulesPlace, code: Exit, *words: str) -> str:
    error = (await run(place, *words)).exception
    assert isinstance(error, Stop), error
    assert error.code == code, str(error)
    return str(error)


async def test_rules_are_seen_tried_changed_and_set_back(place: RulesPlace, recording: list[RawMessage]) -> None:
    assert "no validator runs here" in await fails(place, Exit.FAILED, "show")
    service = await place.validator()
    await place.put(recording[-16:])
    await place.validated()
    text = await shown(place, "show")
    assert "validation rules, version 1" in text
    assert "stale_s_by_venue" in text
    assert "never changed" in await shown(place, "history")
    assert "no monitor runs here" in await fails(place, Exit.FAILED, "try", "stale_s=2")
    await place.monitor()
    tried = json.loads(await shown(place, "try", "futures_band_percent=5", "--minutes", "20", "--json"))
    assert tried["new"]["rejected"] > tried["now"]["rejected"]
    text = await shown(place, "try", "futures_band_percent=5", "--minutes", "20")
    assert f"{tried['differing']} judged otherwise" in text
    assert "price_outside_band" in text

    text = await shown(place, "set", "futures_band_percent=5", "stale_s_by_venue.czce=7", "--reason", "too wide")
    assert "rules of version 2 are in force" in text
    seen = json.loads(await shown(place, "show", "--json"))
    assert (seen["version"], seen["rules"]["stale_s_by_venue"]) == (2, {"czce": 7})
    assert (seen["changed"]["who"], seen["changed"]["reason"]) == ("operator", "too wide")
    assert list(seen["validators"].values()) == [2]
    assert (await service.rules_in_force(None)).version == 2
    assert "version 3" in await shown(place, "set", "stale_s_by_venue.czce=")
    assert "version 4" in await shown(place, "set", "--restore", "1")
    assert "futures_band_percent 5 → 10" in await shown(place, "history")
    first, *_ = [json.loads(line) for line in (await shown(place, "history", "--json")).splitlines()]
    assert (first["version"], first["changes"]) == (4, {"futures_band_percent": [5, 10.0]})


async def test_what_is_wrong_is_said_and_changes_nothing(place: RulesPlace) -> None:
    await place.validator()
    for words, text in (
        (("z_low=9",), "z_low < z_medium < z_high < z_critical"),
        (("nonsense=1",), "was 'nonsense'"),
        (("z_low",), "expected name=value"),
        (("z_low=x",), "expected a number, was 'x'"),
        ((), "expected values like"),
        (("z_low=2", "--restore", "1"), "expected values like"),
        (("--restore", "9"), "expected a version that `rules history` shows"),
    ):
        assert text in await fails(place, Exit.USAGE, "set", *words)
    assert "version 1" in await shown(place, "show")
