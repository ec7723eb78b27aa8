"""The whole pipeline behind a venue: 200 instruments at 10 000 frames a second into ClickHouse, renewals under way.

Simulator, gateway, validator, aggregator, storage, query, nats-server and ClickHouse share the machine.
`python -m tests.benchmarks.venue_load 60 25` measures a minute at 25 steps of each instrument a second, three messages each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from marketprism_adapters.clickhouse.access import WRITER
from marketprism_adapters.nats.local_server import choose_port

PROGRAM = [sys.executable, "-m", "marketprism_services"]
_WARM_S = 20.0


class _Store(NamedTuple):
    """Where the server answers, and as whom it is asked."""

    url: str
    headers: dict[str, str]

    @classmethod
    def of(cls, folder: Path, settings: dict[str, Any]) -> _Store:
        """The server of an `up` whose data is in the folder."""
        parts = urllib.parse.urlsplit(settings["store"]["url"])
        (passwords,) = folder.rglob("passwords.json")
        headers = {"X-ClickHouse-User": WRITER, "X-ClickHouse-Key": json.loads(passwords.read_text())[WRITER]}
        return cls(f"http://{parts.hostname}:{parts.port}/", headers)


def _ask(store: _Store, statement: str) -> list[list[str]]:
    request = urllib.request.Request(store.url, data=statement.encode(), headers=store.headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return [line.split("\t") for line in answer.read().decode().splitlines()]


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def measure_load(
    seconds: float = 60.0, rate: float = 16.7, instruments: int = 200, lifetime_s: float = 30.0
) -> dict[str, Any]:
    """Trades, books (10 + 10 levels a step) and tickers of `instruments`; what was sent, stored, lost; latencies."""
    port = choose_port(0)
    with tempfile.TemporaryDirectory() as folder:
        simulator = subprocess.Popen(
            [
                *PROGRAM,
                "simulate",
                "binance-usdm",
                "--bases",
                str(instruments),
                "--rate",
                str(rate),
                "--changes",
                "10",
                "--trades",
                "1",
                "--port",
                str(port),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        environment = {
            **os.environ,
            "MARKETPRISM_VENUE__KINDS": "trade,orderbook,ticker",
            "MARKETPRISM_VENUE__QUOTE_MS": "1000",
            "MARKETPRISM_VENUE__LIFETIME_S": str(lifetime_s),
            "MARKETPRISM_VENUE__AUDIT_S": "600",
        }
        time.sleep(3)
        pipeline = subprocess.Popen(
            [
                *PROGRAM,
                "up",
                "--source",
                f"binance-usdm:*,url=127.0.0.1:{port}",
                "--clickhouse",
                "server",
                "--data-dir",
                folder,
                "--nats-port",
                "0",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        try:
            time.sleep(_WARM_S)
            settings = json.loads((Path(folder) / "run/settings.json").read_text())
            store = _Store.of(Path(folder), settings)
            ages = _ages(store, seconds)
            return {**_read(store, settings, seconds), "newest trade in the store is so old, ms": ages}
        finally:
            pipeline.terminate()
            pipeline.wait(30)
            simulator.terminate()
            simulator.wait(10)


def _ages(store: _Store, seconds: float) -> dict[str, float]:
    """How old the newest trade is that the store shows, looked at all the time."""
    end, found = time.monotonic() + seconds, []
    while time.monotonic() < end:
        ((age,),) = _ask(store, "SELECT now64(9) - max(ts_recv) FROM market.trades WHERE ts_recv > now64(9) - 60")
        found.append(float(age) * 1_000)
        time.sleep(0.1)
    found.sort()
    return {"p50": round(found[len(found) // 2], 1), "p99": round(found[int(len(found) * 0.99)], 1)}


def _read(store: _Store, settings: dict[str, Any], seconds: float) -> dict[str, Any]:
    since = f"now64(9) - INTERVAL {int(seconds)} SECOND"
    until = "now64(9) - INTERVAL 3 SECOND"
    inside = f"ts_recv > {since} AND ts_recv < {until}"
    ms = "toUnixTimestamp64Nano(ts_pub) / 1e6 - toUnixTimestamp64Nano(ts_recv) / 1e6"
    found: dict[str, Any] = {"seconds": seconds - 3}
    rows = {}
    for table in ("trades", "order_books", "book_tops", "tickers", "market_ticks"):
        ((count, p50, p99),) = _ask(
            store, f"SELECT count(), quantile(0.5)({ms}), quantile(0.99)({ms}) FROM market.{table} WHERE {inside}"
        )
        rows[table] = int(count)
        found[f"{table}: venue frame to publish, ms"] = {"p50": round(float(p50), 2), "p99": round(float(p99), 2)}
    found["rows"] = rows
    found["messages a second"] = round(sum(rows[name] for name in rows if name != "market_ticks") / (seconds - 3))
    ((holes,),) = _ask(
        store,
        "SELECT sum(missing) FROM (SELECT max(seq) - min(seq) + 1 - uniqExact(seq) AS missing FROM market.trades GROUP BY symbol)",
    )
    found["trades missing"] = int(float(holes))
    ((twice,),) = _ask(store, "SELECT count() - uniqExact(symbol, seq) FROM market.trades FINAL")
    found["trades twice"] = int(float(twice))
    ((broken,),) = _ask(
        store,
        "SELECT countIf(was != 0 AND was != ifNull(prev_id, 0)) FROM (SELECT prev_id, form, lagInFrame(seq) OVER (PARTITION BY "
        "symbol ORDER BY seq ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS was FROM market.order_books FINAL WHERE form = 'update')",
    )
    found["book links broken"] = int(float(broken))
    ((gaps,),) = _ask(store, "SELECT count() FROM market.gaps FINAL WHERE cause NOT IN ('joined')")
    found["gaps"] = int(float(gaps))
    found |= _of_gateway(settings)
    return found


def _of_gateway(settings: dict[str, Any]) -> dict[str, Any]:
    """What the gateway counts: renewals, and whether anything was dropped."""
    done = subprocess.run(
        [*PROGRAM, "status", "--json", "--nats-url", settings["nats"]["url"]],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        instances = json.loads(done.stdout)
    except ValueError:
        return {}
    for each in instances.get("instances", instances) if isinstance(instances, dict) else instances:
        if each.get("service") == "gateway":
            address = (each.get("endpoints") or {}).get("http", "")
            wanted = (
                "marketprism_source_renewals_total",
                "marketprism_source_ticks_dropped_total",
                "marketprism_source_book_gaps_total",
                "marketprism_source_queue_deepest",
            )
            lines = [line for line in _get(f"{address}/metrics").splitlines() if line.startswith(wanted)]
            return {line.split("{")[0].split(" ")[0]: float(line.rsplit(" ", 1)[1]) for line in lines}
    return {}


if __name__ == "__main__":
    given = sys.argv[1:]
    seconds, rate = float(given[0] if given else 60), float(given[1] if len(given) > 1 else 16.7)
    print(json.dumps(measure_load(seconds, rate), indent=1))
