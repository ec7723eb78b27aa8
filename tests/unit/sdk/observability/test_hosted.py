"""Several services of one process: each has its own lines, spans and level, and what is the process's is shown once."""

from __future__ import annotations

import json
import subprocess
import sys

_PROGRAM = r"""
import asyncio, json, logging, structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from marketprism_sdk.observability import Metrics, Sampler, logs, record_traces

log = structlog.get_logger()
found = {}

async def serve(name, level):
    logs.log_as(name)
    handed, spans = [], InMemorySpanExporter()
    stop = logs.hand_to(lambda _, line: handed.append(json.loads(line)["event"]))
    await asyncio.to_thread(record_traces, spans, name, batched=False)
    logs.configure(level=level, form="json", service=name, instance=f"{name}-1")
    await asyncio.sleep(0.01)  # the others have said theirs
    async def work():
        log.debug(f"{name}.debug")
        await asyncio.to_thread(log.info, f"{name}.info")
        Sampler(1, name).take()
    await asyncio.gather(work())
    if name == "one":
        await asyncio.get_running_loop().run_in_executor(None, log.warning, "nobody.said")
        logging.getLogger("aiohttp").error("library.said")
    await asyncio.sleep(0.01)
    stop()
    metrics = {row.name for row in Metrics(name).rows()}
    found[name] = {
        "handed": handed,
        "recent": [json.loads(line.text)["event"] for line in logs.recent().read().lines],
        "spans": [(span.name, span.resource.attributes["service.name"]) for span in spans.get_finished_spans()],
        "process": "process_resident_memory_bytes" in metrics,
        "whose": logs.process_name(),
    }

async def main():
    logs.configure(form="json", service="one+two")
    log.info("before.both")
    await asyncio.gather(asyncio.create_task(serve("one", "info")), asyncio.create_task(serve("two", "debug")))
    log.info("after.both")

asyncio.run(main())
print(json.dumps(found))
"""


def test_lines_spans_and_levels_are_each_services_own_and_the_process_is_shown_once() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    whose = {line["event"]: (line.get("service"), line.get("instance")) for line in lines}
    assert whose == {
        "before.both": ("one+two", None),
        "after.both": ("one+two", None),
        "one.info": ("one", "one-1"),
        "two.debug": ("two", "two-1"),
        "two.info": ("two", "two-1"),
        "nobody.said": (None, None),
        "library.said": ("one", "one-1"),
    }
    one, two = found["one"], found["two"]
    assert one["handed"] == ["one.info", "nobody.said", "library.said"]  # the first one has nobody's, too
    assert one["recent"] == ["before.both", *one["handed"]]
    assert two["handed"] == ["two.debug", "two.info"]
    assert two["recent"] == ["two.info"]
    assert one["spans"] == [["one", "marketprism-one"]]
    assert two["spans"] == [["two", "marketprism-two"]]
    assert (one["process"], two["process"]) == (True, False)
    assert one["whose"] != two["whose"]
