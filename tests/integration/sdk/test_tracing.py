"""A sampled message is followed through a stage; all others carry nothing."""

from __future__ import annotations

import asyncio

from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.jetstream import StoredMessage
from marketprism_sdk.nats.pull import PullConsumer
from marketprism_sdk.observability import Sampler, sampled
from marketprism_sdk.streams import FencedPublisher, Stage, raise_fence
from tests.integration.sdk.stage_process import Sums, settings
from tests.integration.sdk.test_nats import make_streams


async def test_a_trace_goes_from_the_first_writer_through_a_stage(connection: NatsConnection, unique: str) -> None:
    await make_streams(connection, unique)
    fence = await raise_fence(connection, f"{unique}-in", f"{unique}.in.fence", "one", 1)
    publisher = FencedPublisher(connection, fence)
    await publisher.open()
    sampler = Sampler(10)
    sent = []
    for number in range(30):
        trace = sampler.take()
        if trace is not None:
            sent.append(trace)
        await publisher.publish(f"{unique}.in.0", str(number).encode(), None if trace is None else trace.headers())
    await publisher.flush()
    assert len(sent) == 3
    ages: list[float] = []
    stage = Stage(
        connection, settings(unique), lambda p, _: Sums(unique, p), "one", on_traced=lambda _, age_s: ages.append(age_s)
    )
    await stage.own(0, 1)
    running = asyncio.create_task(stage.run())
    consumer = PullConsumer(connection, f"{unique}-out", [f"{unique}.out.0"])
    await consumer.open()
    found: list[StoredMessage] = []
    while len(found) < 60:
        found += await consumer.fetch(100, 5.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await consumer.close()
    await publisher.close()
    traced = [message.trace for message in found if message.trace is not None]
    assert [t.trace_id for t in traced] == [t.trace_id for t in sent for _ in range(2)]
    assert all(t.origin_ns == s.origin_ns and t.span_id != s.span_id for t, s in zip(traced[::2], sent, strict=True))
    assert len(ages) == 3
    assert min(ages) > 0


def test_what_is_no_trace_is_none() -> None:
    good = next(trace for trace in iter(Sampler(1).take, 0) if trace is not None)
    assert sampled(good.headers()) == good
    assert sampled({"traceparent": good.headers()["traceparent"], "tracestate": f"a=1,{good.headers()['tracestate']}"})
    for headers in (
        None,
        {},
        {"tracestate": "marketprism=origin:1"},
        {"traceparent": "00-x-y-01", "tracestate": "marketprism=origin:1"},
        {"traceparent": good.headers()["traceparent"], "tracestate": "other=1"},
        {"traceparent": good.headers()["traceparent"], "tracestate": "marketprism=origin:99999999999999999999"},
    ):
        assert sampled(headers) is None
    assert Sampler(0).take() is None
