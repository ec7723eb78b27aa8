"""A short history of a true server, recorded and judged as the long ones are."""

from __future__ import annotations

import asyncio
from pathlib import Path

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from tests.histories.clients import KeyClient, Setup
from tests.histories.judging import judge
from tests.histories.operations import Recorder, history_of, read_lines

_EACH = 120


async def test_what_a_true_server_answers_is_linearizable(nats_url: str, unique: str, tmp_path: Path) -> None:
    connections = [await NatsConnection.open(nats_url, name=f"keys-{number}") for number in range(3)]
    clients = []
    for number, connection in enumerate(connections):
        record = tmp_path / f"keys-{number}.jsonl"
        setup = Setup(f"keys-{number}", nats_url, str(record), number, keys=2)
        clients.append(KeyClient(setup, await NatsKeyValue.open(connection, unique), connection))

    async def ask(client: KeyClient) -> None:
        for turn in range(_EACH):
            await client.once(f"k{turn // 20}")

    await asyncio.gather(*map(ask, clients))
    recorder = Recorder(tmp_path / "run.jsonl", "run")
    recorder.note("run", what="kv", seed=1)
    for connection in connections:
        await connection.close()
    for each in (recorder, *(client.recorder for client in clients)):
        each.close()
    lines = read_lines(sorted(tmp_path.glob("*.jsonl")))
    report = judge(lines)
    kinds = {(each.kind, each.outcome) for each in history_of(lines).operations}
    assert {("create", "ok"), ("create", "fail"), ("update", "ok"), ("delete", "ok"), ("get", "ok")} <= kinds
    # One server: no read is late, and no refusal is one of a server that led before.
    assert (report.wrong, report.undecided, sum(report.noted.values())) == ([], [], 0), report.text()
    seen = next(line for line in reversed(lines) if line["type"] == "ok" and isinstance(line["got"], list))
    seen["got"] = ["never written", seen["got"][1]]
    assert judge(lines).wrong
