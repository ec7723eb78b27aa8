"""What other rules would have decided: as an independent computation has it, and as was decided in truth."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from marketprism_adapters.nats import streams
from marketprism_application.contracts.access_records import Grant
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.packed import Packed
from marketprism_application.contracts.rules_records import RulesTrialRequest
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.errors import DeadlineExceeded, NotConnected, RemoteError
from marketprism_sdk.observability import Metrics
from marketprism_services.monitor.rules_trials import RulesTrials
from tests.integration.api.access_side import gateway
from tests.integration.rules.rules_side import RawMessage, RulesPlace
from tests.integration.sdk.test_nats import messages_of

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("rules")]
Counts = tuple[dict[str, int], Counter[str]]
NOW = ValidationRules()
NEW = NOW.changed(stale_s=2.0, futures_band_percent=5.0, jump_percent=0.1)


def trials(place: RulesPlace, **limits: Any) -> RulesTrials:
    return RulesTrials(place.connection, lambda: place.calendar, Metrics("test"), **{"deadline_s": 120.0, **limits})


def request(minutes: float = 60.0, now: ValidationRules = NOW, new: ValidationRules = NEW) -> RulesTrialRequest:
    return RulesTrialRequest(now.to_dict(), new.to_dict(), minutes, "user:test")


def _clock(packed: Packed) -> int:
    return max(min(tick.ts_event, tick.ts_recv) for tick in packed.ticks)


def in_window(messages: Sequence[RawMessage], minutes: float) -> list[bool]:
    """Which messages are of the last minutes, by a definition of their own: from the first of a partition on that
    brings so late an event."""
    timed = [each for each in messages if each.packed.ticks]
    end = max(_clock(each.packed) for each in timed)
    begun: set[int] = set()
    found = []
    for each in messages:
        if each.packed.ticks and _clock(each.packed) >= end - int(minutes * 60 * 10**9):
            begun.add(each.partition)
        found.append(each.partition in begun)
    return found


async def computed(
    calendar: MarketCalendar, messages: Sequence[RawMessage], minutes: float, new: ValidationRules
) -> Counts:
    """Counts of the window under rules that are in force from its beginning on, and rejections: offline."""
    return await asyncio.to_thread(_computed, calendar, messages, minutes, new)


def _computed(calendar: MarketCalendar, messages: Sequence[RawMessage], minutes: float, new: ValidationRules) -> Counts:
    shards: dict[int, ShardValidator] = {}
    verdicts: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for number, (message, counted) in enumerate(zip(messages, in_window(messages, minutes), strict=True)):
        shard = shards.setdefault(message.partition, ShardValidator(calendar, NOW, 0, str(message.partition)))
        if counted and shard.rules != new:
            shard.change_rules(new)
        before = Counter(dict(shard.memory.counts(message.packed.source)["rejected"]))
        out = shard.process(message.packed, number + 1, 0)
        if counted:
            verdicts.update(tick.verdict for tick in out.ticks)
            rejected += Counter(dict(shard.memory.counts(message.packed.source)["rejected"])) - before
    return dict(verdicts), rejected


def of(decided: Any) -> Counts:
    verdicts = {name: decided[name] for name in ("valid", "warned", "stale") if decided[name]}
    return verdicts, Counter(decided["rejected_by_reason"])


async def test_a_trial_is_what_was_decided_and_what_an_offline_run_decides(
    place: RulesPlace, recording: list[RawMessage]
) -> None:
    half = len(recording) // 2
    service = await place.validator()
    await place.put(recording[:half])
    await place.validated()
    await place.stop(service)  # whoever takes over begins with a snapshot, and so does the trial
    await place.validator()
    await place.put(recording[half:])
    await place.validated()

    found = await trials(place).run(request())
    ticks: Any = found["ticks"]
    assert (found["is_cut"], found["is_as_decided"], found["cold_partitions"]) == (False, True, [])
    assert ticks == sum(
        len(each.packed.ticks) for each, of in zip(recording, in_window(recording, 60), strict=True) if of
    )
    assert of(found["now"]) == await computed(place.calendar, recording, 60, NOW)
    assert of(found["new"]) == await computed(place.calendar, recording, 60, NEW)
    now, new = found["now"], found["new"]
    assert (now["stale"], new["stale"] > 50) == (0, True)  # type: ignore[index]
    assert new["rejected_by_reason"]["price_outside_band"] > 20  # type: ignore[index]

    # And what the pipeline has published and rejected in truth.
    stored = [decode(TICK, data) for data in await messages_of(place.connection, streams.TICKS, "market.tick.>")]
    wanted = {
        (tick.symbol, tick.source_seq)
        for each, of in zip(recording, in_window(recording, 60), strict=True)
        if of
        for tick in each.packed.ticks
    }
    published = [each for each in stored if (each.symbol, each.source_seq) in wanted]
    assert Counter(each.verdict for each in published) == of(now)[0]
    assert len(wanted) - len(published) == now["rejected"]  # type: ignore[index]

    rows: Any = found["by_instrument"]
    assert {each["symbol"] for each in rows} == {"AP010", "AP101"}
    assert sum(each["differing"] for each in rows) == found["differing"]
    assert sum(each["new"]["rejected"] for each in rows) == new["rejected"]  # type: ignore[index]
    examples: Any = found["examples"]
    assert len(examples) == 10
    for each in examples:
        assert (each["now"]["verdict"], each["new"]["verdict"]) in {
            ("valid", "stale"),
            ("valid", "rejected"),
            ("rejected", "valid"),
            ("warned", "rejected"),
            ("warned", "stale"),
        }
        (tick,) = _ticks_of(recording, each)
        assert each["tick"]["last"] == str(tick.last)


def _ticks_of(recording: Sequence[RawMessage], example: Any) -> list[Tick]:
    wanted = example["tick"]["symbol"], example["tick"]["source_seq"]
    return [tick for each in recording for tick in each.packed.ticks if (tick.symbol, tick.source_seq) == wanted]


@pytest.mark.long
async def test_the_same_rules_differ_in_nothing_and_a_shorter_window_holds_less(
    place: RulesPlace, recording: list[RawMessage]
) -> None:
    await place.validator()
    await place.put(recording)
    await place.validated()
    same = await trials(place).run(request(10, NOW, NOW))
    assert (same["differing"], same["examples"], same["now"]) == (0, [], same["new"])
    assert of(same["now"]) == await computed(place.calendar, recording, 10, NOW)
    cut = await trials(place, most_ticks=1_000).run(request(60))
    assert (cut["is_cut"], cut["minutes_asked"]) == (True, 60)
    assert 0 < cut["ticks"] <= 2_000  # type: ignore[operator]
    assert of(cut["new"]) == await computed(place.calendar, recording, cut["minutes"], NEW)  # type: ignore[arg-type]
    late = await trials(place, deadline_s=0.0).run(request(60))
    assert (late["is_cut"], len(late["left_out_partitions"])) == (True, 2)  # type: ignore[arg-type]


async def test_a_log_that_nobody_has_validated_is_judged_from_its_beginning(
    place: RulesPlace, recording: list[RawMessage]
) -> None:
    await place.put(recording)
    found = await trials(place).run(request(30))
    assert of(found["now"]) == await computed(place.calendar, recording, 30, NOW)
    assert found["cold_partitions"] == []


async def test_rules_that_were_changed_within_the_window_are_said_to_be_others(
    place: RulesPlace, recording: list[RawMessage]
) -> None:
    service = await place.validator()
    await place.put(recording[:-10])
    await place.validated()
    await place.stop(service)  # a snapshot under the rules of then
    await place.put(recording[-10:])
    now = NOW.changed(stale_s=4.0)
    found = await trials(place).run(request(1, now, now.changed(stale_s=1.0)))
    assert found["ticks"]
    assert found["is_as_decided"] is False
    assert (await trials(place).run(request(1)))["is_as_decided"] is True


async def test_an_empty_log_is_an_answer_of_nothing(place: RulesPlace) -> None:
    found = await trials(place).run(request())
    assert (found["ticks"], found["messages"], found["window_to"]) == (0, 0, None)
    assert found["now"]["mean_score"] is None  # type: ignore[index]


async def test_one_trial_runs_at_a_time_and_a_trial_over_the_gateway_is_the_same(
    place: RulesPlace, recording: list[RawMessage]
) -> None:
    await place.validator()
    await place.monitor()
    newest = recording[-16:]
    await place.put(newest)
    await place.validated()
    async with gateway(place.url) as api:
        viewer = await api.key(await api.user("viewer"), limits="bulk")
        async with asyncio.timeout(20):
            while (await api.ask("GET", "/api/v1/rules", viewer)).status != 200 or not api.service.discovery.instances(
                "monitor"
            ):
                await asyncio.sleep(0.05)
        body = {"rules": {"stale_s": 2.0, "futures_band_percent": 5.0}, "minutes": 60}
        path = "/api/v1/rules/trial"
        answers = await asyncio.gather(*(api.ask("POST", path, viewer, body) for _ in range(2)))
        assert sorted(each.status for each in answers) == [200, 429], [each.body for each in answers]
        (busy,) = [each for each in answers if each.status == 429]
        assert "one of key:" in busy.body["error"]["message"]
        assert int(busy.headers["Retry-After"]) > 0
        (done,) = [each.data for each in answers if each.status == 200]
        assert done["changes"] == {"stale_s": 2.0, "futures_band_percent": 5.0}
        assert of(done["new"]) == await computed(place.calendar, newest, 60, NOW.changed(**body["rules"]))  # type: ignore[arg-type]
        assert {each["symbol"] for each in done["by_instrument"]} == {"AP010", "AP101"}
        owner = await api.user("viewer", grants=(Grant(symbols=("AP101",)),))
        bounded = (await api.ask("POST", path, await api.key(owner, limits="bulk"), body)).data
        assert {each["symbol"] for each in bounded["by_instrument"]} == {"AP101"}
        assert {each["tick"]["symbol"] for each in bounded["examples"]} == {"AP101"}
        assert bounded["now"] == done["now"]
        for minutes in (0, -1, 61):
            wrong = await api.ask("POST", path, viewer, {"minutes": minutes})
            assert (wrong.code, wrong.body["error"]["details"]) == ("INVALID_PARAMETER", {"field": "minutes"})
        assert (await api.ask("GET", "/api/v1/rules", viewer)).data["version"] == 1  # nothing was changed


@pytest.mark.long
async def test_a_trial_while_nats_is_away_says_so_in_time(place: RulesPlace, recording: list[RawMessage]) -> None:
    await place.put(recording)
    trial = trials(place, deadline_s=0.5)
    await place.server.stop()
    with pytest.raises((NotConnected, DeadlineExceeded)):
        await trial.run(request())


class Unreadable:
    """A calendar that a process cannot read."""

    def __reduce__(self) -> Any:
        return int, ("no calendar",)


async def test_a_process_that_ends_is_an_answer_and_the_next_trial_works(
    place: RulesPlace, recording: list[RawMessage]
) -> None:
    await place.put(recording[-20:])
    given: list[Any] = [Unreadable(), place.calendar]
    trial = RulesTrials(place.connection, lambda: given.pop(0), Metrics("test"))
    with pytest.raises(RemoteError, match="UNAVAILABLE: trial: expected its process to answer, it ended with 1: Value"):
        await trial.run(request(5))
    assert (await trial.run(request(5)))["ticks"]


async def test_what_is_wrong_with_a_trial_is_refused_before_it_runs(place: RulesPlace) -> None:
    for asked in (request(0), request(61), RulesTrialRequest({"z_low": 9}, NEW.to_dict())):
        with pytest.raises(RemoteError, match="INVALID_PARAMETER"):
            await trials(place).run(asked)
