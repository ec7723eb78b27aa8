"""Reads the streams of the trials and counts what must not be there, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.stream_reading import read_stream
from marketprism_sdk.streams import FenceRecord
from marketprism_services.chaos.leaders.candidate import RUN, Record
from marketprism_services.chaos.report import Report


async def audit(
    connection: NatsConnection, fenced: str, twin: str, acknowledged: Mapping[tuple[str, int], set[int]], report: Report
) -> None:
    """Fill the counts of a report.

    Stale is a record whose epoch is lower than that of a fence before it. Twice is the same holder, epoch and number.
    Lost is a record that its writer had acknowledged and that is not there. `acknowledged` holds, per holder and epoch,
    the last numbers whose predecessors since the last interruption were acknowledged.
    """
    highest = 0
    seen: set[tuple[str, int, int]] = set()
    for message in await read_stream(connection, fenced, [f"{fenced}.>"]):
        data = message.data
        if message.subject.endswith(".fence"):
            highest = max(highest, msgspec.msgpack.decode(data, type=FenceRecord).epoch)
            continue
        record = msgspec.msgpack.decode(data, type=Record)
        key = (record.holder, record.epoch, record.number)
        report.records += 1
        report.stale_writes_accepted += record.epoch < highest
        report.duplicated += key in seen
        seen.add(key)
    for (holder, epoch), numbers in acknowledged.items():
        for number in numbers:
            run = number - (number - 1) % RUN
            report.lost += sum((holder, epoch, n) not in seen for n in range(run, number + 1))
    newest = 0
    for message in await read_stream(connection, twin, [f"{twin}.>"]):
        record = msgspec.msgpack.decode(message.data, type=Record)
        report.stale_writes_attempted += record.epoch < newest
        newest = max(newest, record.epoch)
