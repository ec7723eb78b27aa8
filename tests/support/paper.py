"""Strategies on paper beside a pipeline that reads recordings, and the backtests that they are held against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import NamedTuple

from marketprism_adapters.nats import streams
from marketprism_adapters.nats.pipeline_probe import PipelineProbe
from marketprism_adapters.sources.registry import replay_spec
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.options import TermsGiven
from marketprism_application.backtesting.result import RunResult, decision_bytes
from marketprism_application.backtesting.runs import RunSpec, run_backtest
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_backtest import PaperRun, Watching, run_paper
from marketprism_sdk.errors import SdkError
from marketprism_sdk.nats.connection import NatsConnection
from marketprism_sdk.nats.kv import NatsKeyValue
from marketprism_services.cli.backtest_data import instrument_of
from marketprism_services.cli.paper import PublishedRows
from marketprism_services.platform.catalogue import names
from marketprism_services.platform.container import Container
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.appliers import Appliers
from tests.support.backtests import IGNORE, DoubleAverage, calendar, rows_of
from tests.support.services import running

FEE = "0.000045"
_PATIENCE_S = 120.0  # nothing of these runs may hang on how busy a machine is


class Case(NamedTuple):
    """The double average on one kind of rows."""

    fill: FillMode
    fast: int
    slow: int
    interval: str = ""

    @property
    def spec(self) -> RunSpec:
        params = DoubleAverage.Params(fast=self.fast, slow=self.slow)
        return RunSpec(DoubleAverage, params, RunSettings(fill=self.fill, gap_policy=IGNORE))

    def backtest(self, files: tuple[Path, ...]) -> RunResult:
        interval = self.interval or ("1m" if self.fill is FillMode.BAR else "")
        return run_backtest(rows_of(files, self.fill, interval, FEE), calendar(), self.spec)

    def on_paper(self, symbol: str = "ru1901", *, wait: bool = True) -> PaperRun:
        return PaperRun(
            self.spec,
            (symbol,),
            calendar(),
            terms,
            self.interval,
            wait=wait,
            hold_s=_PATIENCE_S,
            patience_s=_PATIENCE_S,
        )


CASES = {
    "bars": Case(FillMode.BAR, 10, 30),
    "ticks": Case(FillMode.QUOTE, 120, 480),
    "ticks-and-bars": Case(FillMode.QUOTE, 10, 30, "1m"),
}


def terms(venue: str, symbol: str, on: date) -> Instrument:
    return instrument_of(venue, symbol, on, TermsGiven(fee_rate=Decimal(FEE)))


def settings_for(url: str, folder: Path, files: Sequence[Path], speed: str) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": str(folder),
            "nats": {"url": url},
            "http": dict.fromkeys(names(), 0),
            "source": {"spec": replay_spec([str(path) for path in files]), "checked": True, "speed": speed},
        }
    )


@asynccontextmanager
async def stages(settings: Settings, shards: int) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Validators and aggregators, so many of each; what is given starts the gateway."""
    async with AsyncExitStack() as stack:

        async def start(name: str) -> None:
            connection = await NatsConnection.open(str(settings.nats.url.reveal()), name=name)
            stack.push_async_callback(connection.close)
            service = await asyncio.to_thread(Container(settings, connection, Appliers()).service, name)
            await stack.enter_async_context(running(service))

        for name in ("validator", "aggregator"):
            for _ in range(shards):
                await start(name)
        yield lambda: start("gateway")


async def probe_of(connection: NatsConnection) -> PipelineProbe:
    positions = await NatsKeyValue.open(connection, streams.SOURCE_POSITIONS)
    return PipelineProbe(connection, positions, await NatsKeyValue.open(connection, streams.STORE_RANGES))


async def is_over(probe: PipelineProbe) -> bool:
    """Whether the source has ended and every stage has taken all of it; nothing is stored here."""
    progress = await probe.read()
    behind = {stage: lag for stage, lag in progress.behind.items() if not stage.startswith("storage") and lag}
    return progress.finished and not behind


async def on_paper(
    url: str, cases: Sequence[Case], begin: Callable[[], Awaitable[None]], probe: PipelineProbe
) -> list[RunResult]:
    """Runs that follow what is published from before its begin, each with a connection of its own, to its end."""

    async def is_over_for(rows: PublishedRows) -> bool:
        try:
            return await is_over(probe) and await rows.has_all()
        except SdkError:  # a busy server: it is asked again
            return False

    async with AsyncExitStack() as stack:
        runs = []
        for case in cases:
            connection = await NatsConnection.open(url, name="paper")
            stack.push_async_callback(connection.close)
            rows = PublishedRows(connection)
            watching = Watching(has_ended=partial(is_over_for, rows))
            runs.append(asyncio.create_task(run_paper(rows, case.on_paper(), watching)))
        await asyncio.sleep(0.5)  # each makes its consumers, behind streams that are still empty
        await begin()
        return await asyncio.gather(*runs)


def check_equal(found: RunResult, wanted: RunResult) -> None:
    """Decisions byte for byte; fills, and the id, which is a hash of the rows as well."""
    assert found.remarks == ()
    assert decision_bytes(found.decisions) == decision_bytes(wanted.decisions)
    assert found.fills == wanted.fills
    assert found.digests == wanted.digests
    assert found.run_id == wanted.run_id
    assert len(found.decisions) > 3
