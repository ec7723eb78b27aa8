"""A capture as a source: its frames go through the code that read them when they came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import ClassVar

import msgspec

from marketprism_adapters.capture.files import CaptureFile, Frame
from marketprism_adapters.capture.find import capture_files, channels_of, payloads
from marketprism_adapters.counters.depth.fields import BadField
from marketprism_adapters.counters.depth.messages import Skipped
from marketprism_adapters.counters.depth.reader import DepthReader
from marketprism_adapters.counters.live.source import DECODER as DEPTH
from marketprism_adapters.counters.recordings import reader
from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_adapters.counters.recordings.replay import ReplaySource
from marketprism_adapters.synthetic import source
from marketprism_adapters.vnpy_gateway import frames
from marketprism_application.errors import SourceError
from marketprism_application.ports.sources import Channel, FrameTap
from marketprism_domain.errors import InvalidValue
from marketprism_domain.marketdata.instrument_record import InstrumentRecord
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.sessions.calendar import MarketCalendar

_NO_FRAME = (BadField, InvalidValue, msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class CapturedRecording(Recording):
    """A recording whose lines were captured."""

    def __init__(self, files: Sequence[CaptureFile], channel: Channel, calendar: MarketCalendar) -> None:
        self._files = files
        self._channel = channel
        self.path = Path(f"{files[0].path.parent}:{channel.name}")
        self.source = f"replay:{channel.name}"
        self._begin(calendar)

    def _text(self, tap: FrameTap | None = None) -> Iterator[str]:
        lines = (line.decode(errors="surrogateescape") for line in payloads(self._files, self._channel))
        return lines if tap is None else self._tapped(lines, tap)


class CapturedTicks(CapturedRecording):
    """Ticks of a venue that has no other form."""

    def __init__(self, files: Sequence[CaptureFile], channel: Channel) -> None:
        self._files = files
        self._channel = channel
        self.path = Path(f"{files[0].path.parent}:{channel.name}")
        self.source = channel.name
        self.skipped = {}
        self.refused = []

    def rows(self, tap: FrameTap | None = None) -> Iterator[Tick]:
        """Every captured tick, in the order of capture. Raises SourceError for a payload that is no tick."""
        del tap
        decoder = msgspec.msgpack.Decoder(Tick)
        for number, payload in enumerate(payloads(self._files, self._channel), 1):
            try:
                yield decoder.decode(payload)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise SourceError(f"capture {self.path}, frame {number}: expected a tick: {error}") from error


class CapturedMessages(CapturedTicks):
    """Messages of a library that ticks are read from; what is none is skipped and counted, as it was when it came."""

    def __init__(self, files: Sequence[CaptureFile], channel: Channel, calendar: MarketCalendar) -> None:
        super().__init__(files, channel)
        self._calendar = calendar

    def rows(self, tap: FrameTap | None = None) -> Iterator[Tick]:
        """Every tick, numbered by its frame."""
        del tap
        self.skipped, self.refused = {}, []
        read = self._reader()
        captured = (frame for file in self._files for frame in file.read() if frame.channel == self._channel)
        for number, frame in enumerate(captured, 1):
            try:
                found = read(frame, number)
            except _NO_FRAME as error:
                found = self.malformed
                if not self.refused:
                    self.refused.append(f"frame {number}: {error}")
            if isinstance(found, Skipped):
                self.skipped[found.reason] = self.skipped.get(found.reason, 0) + 1
            else:
                yield found

    malformed: ClassVar[Skipped]

    def _reader(self) -> Callable[[Frame, int], Tick | Skipped]:
        """Reads a frame, by its number. Raises BadField, InvalidValue or MsgspecError: it is none that can be read."""
        raise NotImplementedError


class CapturedDepth(CapturedMessages):
    """Depth messages of a counter."""

    malformed = Skipped("depth_malformed")

    def _reader(self) -> Callable[[Frame, int], Tick | Skipped]:
        read = DepthReader(self._calendar, self.source).tick
        return lambda frame, number: read(msgspec.msgpack.decode(frame.payload), number)


class CapturedVnpy(CapturedMessages):
    """Ticks of a gateway of VeighNa, received when that was."""

    malformed = Skipped("tick_malformed")

    def _reader(self) -> Callable[[Frame, int], Tick | Skipped]:
        read = frames.FrameReader(self._calendar, self.source).tick
        return lambda frame, number: read(frame.payload, number, frame.ts_recv)


def holds_simulated(arguments: str) -> bool:
    """Whether the frames of a source `capture:` came from no market, by what is written with them, and by their form:
    that of simulated ticks is nobody else's. False where nothing can be read, which the source itself refuses.
    """
    folder, run = capture_arguments(arguments)
    try:
        files = capture_files(folder, run)
        return any(file.is_simulated() for file in files) or any(
            frame.channel.decoder == source.DECODER for frame in islice(files[0].read(), 1)
        )
    except (SourceError, OSError):
        return False


def capture_arguments(arguments: str) -> tuple[Path, str]:
    """Folder and run of a source `capture:`; no run is the latest."""
    folder, _, run = arguments.partition(",run=")
    return Path(folder).expanduser(), run


class CaptureSource(ReplaySource):
    """Fulfils `MarketSource` with one run of a capture: `folder`, and `run` where it is not the latest."""

    def __init__(self, folder: Path, calendar: MarketCalendar, *, run: str = "", speed: float | None = None) -> None:
        super().__init__([folder], calendar, speed=speed)
        self._run = run
        self._terms: dict[tuple[str, str], InstrumentRecord] = {}

    async def instruments(self) -> Sequence[InstrumentRecord]:
        """The instruments that the capture holds, with the newest terms where those were captured too."""
        return [self._terms.get((each.venue, each.symbol), each) for each in await super().instruments()]

    def _read_terms(self, files: Sequence[CaptureFile], channel: Channel) -> None:
        for frame in (frame for file in files for frame in file.read() if frame.channel == channel):
            try:
                found = frames.terms_of_frame(frame.payload, channel.name, frame.ts_recv)
            except (InvalidValue, msgspec.MsgspecError) as error:
                raise SourceError(f"capture {self._paths[0]}, channel {channel.name}: {error}") from error
            self._terms[found.venue, found.symbol] = found

    def _open(self) -> list[Recording]:
        files = capture_files(self._paths[0], self._run)
        opened: list[Recording] = []
        for channel in channels_of(files):
            if channel.decoder == reader.DECODER:
                opened.append(CapturedRecording(files, channel, self._calendar))
            elif channel.decoder == source.DECODER:
                opened.append(CapturedTicks(files, channel))
            elif channel.decoder == DEPTH:
                opened.append(CapturedDepth(files, channel, self._calendar))
            elif channel.decoder == frames.DECODER:
                opened.append(CapturedVnpy(files, channel, self._calendar))
            elif channel.decoder == frames.CONTRACTS:
                self._read_terms(files, channel)
            else:
                known = f"{reader.DECODER}, {source.DECODER}, {DEPTH} or {frames.DECODER}"
                raise SourceError(
                    f"capture {self._paths[0]}, channel {channel.name}: expected frames that {known} can read, "
                    f"was {channel.decoder}"
                )
        return opened
