"""The bars of a disturbed run beside those of the same source when nothing disturbs it."""

from __future__ import annotations

from collections import Counter

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.nats import streams
from marketprism_application.contracts.codec import decode
from marketprism_application.contracts.kinds import BAR
from marketprism_application.queries.export import bars_csv
from marketprism_application.replay.rebuild import Rebuilt, rebuild
from marketprism_domain.marketdata.bar import Bar
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import leader_info
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_services.chaos.report import Report
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.sources import source_of


async def compare_bars(connection: NatsConnection, settings: Settings, report: Report) -> Rebuilt:
    """Fill the counts of a report with what is in the stream; what should be there comes back."""
    found = await _bars(connection)
    report.records = len(found)
    report.duplicated = sum(count - 1 for count in Counter((*_key(bar), bar.revision) for bar in found).values())
    source = source_of(settings, chinese_calendar_of_markets(settings.calendar))
    await source.connect()
    expected = await rebuild(
        source.stream({}),
        chinese_calendar_of_markets(settings.calendar),
        bars=settings.bars,
        rules=ValidationRules.of(settings.rules),
    )
    wanted = {_key(bar): bar for bar in expected.bars}
    latest = {_key(bar): bar for bar in found}
    report.lost = len(wanted.keys() - latest.keys())
    differ = [key for key in wanted.keys() & latest.keys() if bars_csv([wanted[key]]) != bars_csv([latest[key]])]
    report.wrong = len(differ) + len(latest.keys() - wanted.keys())
    report.notes.append(f"{len(wanted)} bars expected, {len(latest)} found")
    return expected


def _key(bar: Bar) -> tuple[str, str, str, int]:
    return bar.venue, bar.symbol, bar.interval, bar.ts_open


async def _bars(connection: NatsConnection) -> list[Bar]:
    """Every bar of the stream in order, all revisions."""
    last = int((await leader_info(connection, streams.BARS))["state"]["last_seq"])
    consumer = PullConsumer(connection, streams.BARS, ["market.bar.>", "stage.aggregator.*.ck"], batch=1_000)
    await consumer.open()
    bars: list[Bar] = []
    reached = 0
    try:
        while reached < last:
            messages = await consumer.fetch(10_000, 2.0)
            if not messages:
                break
            reached = messages[-1].seq
            bars += [decode(BAR, m.data) for m in messages if m.subject.startswith("market.bar.")]
    finally:
        await consumer.close()
    return bars
