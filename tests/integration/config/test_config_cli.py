"""`marketprism config` against services that run: what people see, change and read when something is wrong."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator

import pytest
import structlog
from typer.testing import CliRunner, Result

from marketprism_domain.errors import InvalidValue
from marketprism_sdk.observability import logs
from marketprism_services.cli.config import config
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.settings.settings import Settings
from tests.support.configured import ConfigPlace

pytestmark = [pytest.mark.timeout(120), pytest.mark.nats]
Shell = Callable[..., Awaitable[Result]]


@pytest.fixture
def shell(own_nats_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """Runs `marketprism config …` beside the services of this process, whose log lines are not on its output."""
    before = structlog.get_config()
    logs.configure(form="json")
    monkeypatch.setenv("MARKETPRISM_LANG", "en")
    monkeypatch.setenv("COLUMNS", "200")

    async def run(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, config, [*words, "--nats-url", own_nats_url])

    yield run
    structlog.configure(**before)


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, (result.output, result.exception)
    return [line.rstrip() for line in result.stdout.splitlines()]


def stop_of(result: Result) -> tuple[Exit, str]:
    assert isinstance(result.exception, Stop), (result.output, result.exception)
    return result.exception.code, str(result.exception)


WHY = ("--reason", "a test", "--who", "ann")


async def test_a_setting_is_seen_changed_compared_and_taken_back(place: ConfigPlace, shell: Shell) -> None:
    one, other = await place.small(), await place.small("storage", above={"log": {"level": "error"}})
    assert lines(await shell("get")) == ["nothing is set centrally; `config get --all` lists every setting"]
    assert lines(await shell("history")) == ["nothing was ever set centrally"]
    assert lines(await shell("set", "log.level", "debug", *WHY, "--dry-run")) == [
        "would be taken: log.level: - → debug",
        f"applied at once by {one.key}: log.level",
        f"given otherwise at {other.key}, by its environment or an option: log.level",
    ]
    assert lines(await shell("set", "log.level", "debug", *WHY))[0] == "version 1: log.level: - → debug"
    assert one.levels == ["debug"]
    assert lines(await shell("set", "log.level", "debug", *WHY)) == ["nothing to change; version 1 is in force"]
    assert lines(await shell("set", "lease.probes", "9", *WHY, "--service", "storage")) == [
        "version 2: lease.probes@storage: - → 9",
        f"waits for a restart of {other.key}: lease.probes",
        f"given otherwise at {other.key}, by its environment or an option: log.level",
    ]
    title, head, row = lines(await shell("get", "lease.probes"))
    assert title == "settings, version 2 of the central configuration"
    assert re.split(r"  +", head) == ["setting", "default", "central", "target", "changed"]
    assert re.split(r"  +", row.strip()) == [
        "lease.probes",
        str(Settings().lease.probes),
        "9",
        "storage",
        "at a restart",
    ]
    assert lines(await shell("diff"))[-1].split() == ["lease.probes", "storage", "-", "9"]
    assert lines(await shell("diff", "2", "2")) == ["versions 2 and 2 are the same"]
    newest = lines(await shell("history"))[2]
    assert re.split(r"  +", newest.strip())[::2][:1] == ["2"]
    assert "ann" in newest
    assert "lease.probes@storage: - → 9" in newest
    table = "\n".join(lines(await shell("instances")))
    for each in (one, other):
        assert each.service.instance in table
    assert lines(await shell("rollback", "1", *WHY))[0] == "version 3: lease.probes@storage: 9 → -"
    assert lines(await shell("unset", "log.level", *WHY))[0] == "version 4: log.level: debug → -"
    assert one.levels == ["debug", "info"]
    assert lines(await shell("get")) == ["nothing is set centrally; `config get --all` lists every setting"]
    every = lines(await shell("get", "--all", "--json"))
    assert len(every) > 150
    assert {json.loads(line)["applies"] for line in every} == {"at once", "at a restart", "not centrally"}


async def test_what_is_wrong_is_said_and_ends_with_an_error(place: ConfigPlace, shell: Shell) -> None:
    def veto(settings: Settings) -> None:
        if settings.trace.every == 13:
            raise InvalidValue("trace.every", "a number that brings luck", 13)

    small = await place.small(veto=veto)
    code, text = stop_of(await shell("set", "log.level", "loud", *WHY))
    assert code is Exit.FAILED
    assert text.startswith("setting log.level: ")
    assert text.endswith("was 'loud'")
    expected = f"{small.key} refuses: trace.every: expected a number that brings luck, was 13"
    assert stop_of(await shell("set", "trace.every", "13", *WHY)) == (Exit.FAILED, expected)
    expected = "setting log.levle: there is no such setting; did you mean 'log.level'?"
    assert stop_of(await shell("set", "log.levle", "debug", *WHY)) == (Exit.FAILED, expected)
    expected = "VALUE: expected JSON behind {, was '{a'"
    assert stop_of(await shell("set", "store.keep_days", "{a", *WHY)) == (Exit.USAGE, expected)
    expected = "version: expected 0, the one in force, was 4"
    assert stop_of(await shell("set", "log.level", "debug", *WHY, "--expected", "4")) == (Exit.FAILED, expected)
    expected = "version: expected one of the history, was 9"
    assert stop_of(await shell("rollback", "9", *WHY)) == (Exit.FAILED, expected)
    assert (await shell("set", "log.level", "debug")).exit_code == 2  # without a reason
    assert "rules.z_low cannot be set centrally: " in (await shell("get", "rules.z_low")).stdout
    assert (await place.layer()).version == 0


async def test_a_value_is_tried_on_one_instance_and_kept_as_json(place: ConfigPlace, shell: Shell) -> None:
    one, other = await place.small(), await place.small()
    words = ("set", "log.level", "debug", *WHY, "--service", "gateway", "--instance", one.service.instance, "--json")
    report = json.loads(lines(await shell(*words))[0])
    assert (report["version"], report["applied"]) == (1, {one.key: ["log.level"]})
    assert (one.levels, other.levels) == (["debug"], [])
    assert lines(await shell("set", "store.keep_days", '{"market_ticks": 30}', *WHY))[0] == (
        'version 2: store.keep_days: - → {"market_ticks": 30}'
    )


async def test_what_was_tried_on_one_goes_to_all(place: ConfigPlace, shell: Shell) -> None:
    one, other = await place.small(), await place.small()
    target = ("--service", "gateway")
    await shell("set", "log.level", "debug", *WHY, *target, "--instance", one.service.instance)
    found = lines(await shell("set", "log.level", "debug", *WHY, *target, "--clear-narrower"))
    assert found[0] == f"version 2: log.level@gateway: - → debug, log.level@{one.key}: debug → -"
    assert (one.levels, other.levels) == (["debug"], ["debug"])
    await shell("set", "log.level", "error", *WHY, *target, "--instance", one.service.instance)
    await shell("unset", "log.level", *WHY, *target, "--clear-narrower")
    assert (await place.layer()).values == {}


async def test_versions_are_shown_as_they_come(place: ConfigPlace, shell: Shell) -> None:
    await place.small()
    watching = asyncio.create_task(shell("watch", "--count", "2"))
    await asyncio.sleep(1)  # it shows what comes from now on
    await place.set("trace.every", 5)
    await place.set("log.level", "debug", service="gateway", reason="to see more")
    async with asyncio.timeout(20):
        shown = lines(await watching)
    assert re.fullmatch(r"\S+ \S+  1  ann  trace\.every: - → 5  \(a test\)", shown[0])
    assert re.fullmatch(r"\S+ \S+  2  ann  log\.level@gateway: - → debug  \(to see more\)", shown[1])


async def test_without_a_monitor_it_says_how_one_is_started(own_nats_url: str, shell: Shell) -> None:
    text = "no monitor runs here, which keeps the configuration; `marketprism run monitor` starts one"
    assert own_nats_url
    assert stop_of(await shell("get")) == (Exit.FAILED, text)
