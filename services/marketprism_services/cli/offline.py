"""Commands that read on their own: `rebuild` from recordings, `replay` from the store."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.sources.registry import replay_spec
from marketprism_application.ports.sources import MarketSource, SourceBatch, counting_source
from marketprism_application.queries.export import BAR_COLUMNS, bars_csv, render
from marketprism_application.replay.rebuild import Rebuilt, rebuild
from marketprism_client import MarketClient, ReplayPosition
from marketprism_domain.bars.state import BarSettings
from marketprism_domain.errors import InvalidValue
from marketprism_domain.events.pipeline import FrameRefused
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.values import Interval
from marketprism_services.cli.clocks import Tz, Zone, zone_of_symbol
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import Config, DataDir, From, NatsUrl, To, ask, err, nats_of, settings_of
from marketprism_services.cli.words import count_of
from marketprism_services.platform.exits import Exit, Stop
from marketprism_services.platform.nats_place import NatsPlace
from marketprism_services.replay.republish import Replay, replay
from marketprism_services.settings.sections import parse_speed
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.sources import source_of

_LINE_EVERY_S = 5.0
_PREFIX = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def rebuild_command(
    recordings: Annotated[list[str] | None, typer.Argument(help="Files, folders or globs.")] = None,
    interval: Annotated[str, typer.Option(help="Intervals, with commas between.")] = "1m,1d",
    output: Annotated[Path | None, typer.Option(help="CSV file; without it, standard output.")] = None,
    symbol: Annotated[
        str, typer.Option(help="Not of recordings: of the ticks of this instrument that a running pipeline has stored.")
    ] = "",
    venue: Annotated[str, typer.Option(help="With --symbol: only of this venue.")] = "",
    start: From = None,
    end: To = None,
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
    config: Config = None,
) -> None:
    """Bars made anew: of recordings without a server, or of stored ticks; the same code and the same bytes as live."""
    intervals = tuple(part.strip() for part in interval.split(","))
    if symbol:
        if recordings:
            raise Stop(Exit.USAGE, f"--symbol: expected it or recordings, were {symbol!r} and {recordings[0]!r}")
        settings = settings_of(config)
        span = zone_of_symbol(symbol, tz).range(start, end)
        _rebuild_stored(settings, nats_of(data_dir, nats_url), symbol, venue, span, intervals, output)
        return
    if not recordings:
        raise Stop(Exit.USAGE, "rebuild: expected recordings, or --symbol for stored ticks, were none")
    given = {"--venue": venue, "--from": start, "--to": end, "--tz": tz, "--data-dir": data_dir, "--nats-url": nats_url}
    if extra := next((name for name, value in given.items() if value), None):
        raise Stop(Exit.USAGE, f"{extra}: expected --symbol with it; recordings are read whole")
    _rebuild_recordings(recordings, intervals, output, config)


def _rebuild_stored(
    settings: Settings,
    nats: NatsPlace,
    symbol: str,
    venue: str,
    span: tuple[int | None, int | None],
    intervals: tuple[str, ...],
    output: Path | None,
) -> None:
    from marketprism_services.cli.rebuild_stored import bars_of_stored  # noqa: PLC0415 (loads numpy and Arrow)

    started, bars = time.monotonic(), _bars_of(settings, intervals)
    with _Read("reading stored ticks") as read:
        made = bars_of_stored(nats, settings, symbol, venue, span, bars, read.show)
    _put(render(made.bars, "csv", BAR_COLUMNS).decode(), output)
    seconds = time.monotonic() - started
    err.print(
        f"{count_of(made.ticks, 'tick')}, too late for any bar: {made.late}; "
        f"{count_of(made.bars.num_rows, 'bar')} in {seconds:.1f} s",
        highlight=False,
    )


def _put(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
    else:
        _write(output, text)


def _rebuild_recordings(
    recordings: list[str], intervals: tuple[str, ...], output: Path | None, config: Path | None
) -> None:
    settings = settings_of(config, source={"spec": replay_spec(recordings), "checked": True})
    source = source_of(settings, chinese_calendar_of_markets(settings.calendar))
    bars = _bars_of(settings, intervals)
    started = time.monotonic()
    with _Read("reading the recordings") as read:
        result = asyncio.run(_rebuild(source, bars, settings, read))
    # Written in one piece at the end: a failed rebuild leaves no half a file.
    _put(bars_csv(result.bars), output)
    seconds = time.monotonic() - started
    none = spoken().translate("none")
    rejected = ", ".join(f"{count} {reason}" for reason, count in sorted(result.rejected.items())) or none
    refused = ", ".join(f"{count} {reason}" for reason, count in sorted(read.refused.items())) or none
    err.print(
        f"{count_of(result.ticks_read, 'tick')}, refused rows: {refused}; "
        f"rejected: {rejected}, stale: {result.stale}; "
        f"{count_of(len(result.bars), 'bar')} in {seconds:.1f} s",
        highlight=False,
    )


def replay_command(
    symbol: Annotated[str, typer.Option(help="Instruments, with commas between.")],
    start: From = None,
    end: To = None,
    speed: Annotated[str, typer.Option(help="max, or a factor of real time.")] = "1",
    bars: Annotated[str, typer.Option(help="Bars as well, when they close: intervals, with commas between.")] = "",
    kinds: Annotated[
        str, typer.Option(help="tick, trade, orderbook …, with commas between; none: only bars.")
    ] = "tick",
    prefix: Annotated[str, typer.Option(help="First token of the subjects: <prefix>.market.tick.<symbol>.")] = "replay",
    tz: Tz = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Publish stored data again, in order and with its times, on subjects of its own.

    A strategy listens with MarketClient(url, prefix="replay") as it would to the market; its loops end with the replay.
    """
    if not prefix or prefix.split(".")[0] in ("market", "stage", "rpc", "cmd") or not _PREFIX.fullmatch(prefix):
        raise Stop(Exit.USAGE, f"--prefix: expected tokens of their own, like replay, was {prefix!r}")
    symbols = _names(symbol)
    zone = zone_of_symbol(symbol, tz)
    ts_from, ts_to = zone.range(start, end)
    try:
        wanted = Replay(
            symbols,
            ts_from,
            ts_to,
            parse_speed(speed),
            prefix,
            _names(kinds) if kinds != "none" else (),
            tuple(str(Interval.parse(name)) for name in _names(bars)),
        )
    except ValueError as error:
        raise Stop(Exit.USAGE, str(error)) from error
    nats = nats_of(data_dir, nats_url)
    sent = ask(nats, lambda market: _replay(market, nats, wanted, zone)).sent
    err.print(f"{_counted(sent)} sent on {prefix}.market.>", highlight=False)
    if not sent:
        raise typer.Exit(Exit.FAILED)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _counted(sent: Mapping[str, int]) -> str:
    say = spoken().translate
    return ", ".join(say(count_of(count, kind)) for kind, count in sent.items()) or say("nothing")


async def _replay(market: MarketClient, nats: NatsPlace, wanted: Replay, zone: Zone) -> ReplayPosition:
    connection = await nats.open("replay")
    try:
        with _spinner() as spinner:
            task, lines = spinner.add_task(spoken().translate("sending")), _Lines()

            def show(position: ReplayPosition) -> None:
                at = f", at {zone.text(position.ts)}" if position.ts is not None else ""
                text = f"{_counted(position.sent)} sent{at}"
                spinner.update(task, description=spoken().translate(text))
                if spinner.disable and lines.due():
                    err.print(text, highlight=False)

            return await replay(market, connection, wanted, show)
    finally:
        await connection.close()


def _spinner() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True, disable=not sys.stderr.isatty())


def _bars_of(settings: Settings, intervals: tuple[str, ...]) -> BarSettings:
    try:
        return replace(settings.bars, intervals=intervals)
    except InvalidValue as error:
        raise Stop(Exit.USAGE, f"--interval: {error}") from error


class _Lines:
    """When the next line is due of work that writes them now and then: into a pipe, where no spinner turns."""

    def __init__(self) -> None:
        self._shown = time.monotonic()

    def due(self) -> bool:
        """Whether the last line is some seconds old; if so the next is counted from now."""
        now = time.monotonic()
        if now - self._shown <= _LINE_EVERY_S:
            return False
        self._shown = now
        return True


class _Read:
    """How many ticks of a source were read: a line that changes in a terminal, one every few seconds in a pipe."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._spinner = _spinner()
        self._task = self._spinner.add_task(spoken().translate(doing))
        self._begun, self._lines = time.monotonic(), _Lines()
        self._ticks = 0
        self.refused: dict[str, int] = {}  # rows that are no tick, by reason

    def __enter__(self) -> Self:
        self._spinner.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spinner.stop()

    async def of(self, batches: AsyncIterator[SourceBatch], total: int) -> AsyncIterator[SourceBatch]:
        """The batches as they come; `total` ticks in all, 0 where nobody knows."""
        async for batch in batches:
            self._ticks += len(batch.ticks)
            for event in batch.events:
                if isinstance(event, FrameRefused):
                    self.refused[event.reason] = self.refused.get(event.reason, 0) + event.frames
            self._show(f"{self._ticks} of {total} ticks read" if total else f"{self._ticks} ticks read")
            yield batch

    def show(self, ticks: int) -> None:
        """So many were read so far."""
        self._show(f"{ticks} ticks read")

    def _show(self, text: str) -> None:
        self._spinner.update(self._task, description=spoken().translate(text))
        if self._spinner.disable and self._lines.due():
            seconds = time.monotonic() - self._begun
            err.print(f"{spoken().translate(self._doing)}: {text}, {seconds:.0f} s so far", highlight=False)


async def _rebuild(source: MarketSource, bars: BarSettings, settings: Settings, read: _Read) -> Rebuilt:
    await source.connect()
    counting = counting_source(source)
    total = sum(counting.rows.values()) if counting is not None else 0
    return await rebuild(
        read.of(source.stream({}), total),
        chinese_calendar_of_markets(settings.calendar),
        bars=bars,
        rules=ValidationRules.of(settings.rules),
    )


def _write(output: Path, text: str) -> None:
    partial = output.with_name(f".{output.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(output)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise Stop(Exit.USAGE, f"--output {output}: expected a writable file: {error.strerror}") from error
