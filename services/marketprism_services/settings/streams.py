"""Section `[streams]`: how many partitions there are, and how long and how large the market streams may be."""

from __future__ import annotations

from pydantic import Field, model_validator

from marketprism_adapters.nats.stream_layout import BARS, DATA, DEFAULT_LIMITS, EVENTS, RAW, TICKS, StreamLimits
from marketprism_services.settings.sections import Section


class StreamSection(Section):
    """One stream: the oldest messages go when they are too old or there are too many bytes, whichever is first."""

    age_s: float = Field(ge=10, le=3_650 * 86_400, description="messages go at this age, seconds")
    share: float = Field(gt=0, le=1, description="of the bytes that all market streams have")
    max_mb: float = Field(0.0, ge=0, description="bytes instead of a share, MB; 0: by the share")

    def limits(self) -> StreamLimits:
        """The adapter's form."""
        return StreamLimits(self.age_s, self.share, self.max_mb)


def _default(stream: str) -> StreamSection:
    limits = DEFAULT_LIMITS[stream]
    return StreamSection(age_s=limits.age_s, share=limits.share, max_mb=limits.max_mb)


class StreamsSection(Section):
    """The market streams. Every service needs the same; partitions are for the life of the streams."""

    partitions: int = Field(32, ge=1, le=256, description="of the raw log; can't be changed once there are streams")
    reserve: float = Field(0.2, ge=0.05, le=0.9, description="share of JetStream's limit that they leave to the rest")
    duplicate_window_s: float = Field(120.0, ge=1, le=3_600, description="a message sent again within is known")
    lower: bool = Field(False, description="make limits of streams that are there smaller, if these are")
    raw: StreamSection = _default(RAW)
    ticks: StreamSection = _default(TICKS)
    bars: StreamSection = _default(BARS)
    events: StreamSection = _default(EVENTS)
    data: StreamSection = _default(DATA)

    @model_validator(mode="after")
    def _fits(self) -> StreamsSection:
        total = sum(section.share for section in self._sections().values() if not section.max_mb)
        if total > 1 + 1e-9:
            raise ValueError(f"streams: expected shares of at most 1 together, was {total:g}")
        return self

    def _sections(self) -> dict[str, StreamSection]:
        return {RAW: self.raw, TICKS: self.ticks, BARS: self.bars, EVENTS: self.events, DATA: self.data}

    def limits(self) -> dict[str, StreamLimits]:
        """By stream."""
        return {name: section.limits() for name, section in self._sections().items()}
