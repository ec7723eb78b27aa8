"""What requests about many instruments at once may hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from marketprism_application.contracts.kinds import TICK
from marketprism_application.contracts.overview_questions import (
    MOST_DAYS,
    MOST_INSTRUMENTS,
    Coverage,
    GapLedger,
    QualityOverview,
)
from marketprism_services.api.read.parameters import SHOWN, FormatParameters, Limit, whole
from marketprism_services.api.read.requests import DayParameters, InstrumentParameters, SpanParameters

_KEY_PARTS = 5
_KINDS = {TICK.name: ""}  # as the ledger writes them, of those that it writes otherwise
LedgerKey = tuple[int, str, str, str, str]


def _ledger_key(value: object) -> LedgerKey:
    parts = str(value).split(",")
    if len(parts) != _KEY_PARTS or not (parts[0].isascii() and parts[0].isdigit() and len(parts[0]) < 20):
        raise ValueError(
            f"after: expected <ts_from>,<symbol>,<venue>,<cause>,<kind> of the last row before, "
            f"was {str(value)[:SHOWN]!r}"
        )
    return int(parts[0]), parts[1], parts[2], parts[3], parts[4]


class ManyParameters(FormatParameters):
    """Which instruments; what is not there matches every one of which there is data."""

    symbols: str = Field("*", max_length=4_000, description="one, several with commas between, or a pattern like ru*")
    venue: str | None = None
    product: str = Field("", max_length=64, description="the product, like rb")


class PagedParameters(ManyParameters):
    """Instruments by venue and symbol."""

    limit: Annotated[
        int,
        BeforeValidator(whole(MOST_INSTRUMENTS)),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_INSTRUMENTS}),
    ] = Field(MOST_INSTRUMENTS, description="instruments of a page; fewer where a page would have too many rows")
    after: Annotated[tuple[str, str] | None, *InstrumentParameters.model_fields["after"].metadata] = Field(
        None, description="<venue>,<symbol> of the last instrument of the page before: `next` of its answer"
    )


class CoverageParameters(DayParameters, PagedParameters):
    """Trading days of many instruments."""

    newest: Annotated[
        int,
        BeforeValidator(whole(MOST_DAYS)),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_DAYS}),
    ] = Field(20, description="without from_day: so many of the newest days that have a bar")

    @property
    def question(self) -> Coverage:
        """The question about days that this request is."""
        of = (self.symbols, self.venue, self.product)
        return Coverage(*of, *self.days, limit=self.limit, after=self.after, days=self.newest)


class GapLedgerParameters(DayParameters, SpanParameters, ManyParameters):
    """Which holes."""

    cause: str = Field("", max_length=64, description="of this cause only, like silence")
    kind: str | None = Field(None, max_length=64, description="of this kind of data; tick for ticks and their bars")
    limit: Limit = Field(None, description="rows of a page, the newest first; 1000 without it")
    after: Annotated[LedgerKey | None, BeforeValidator(_ledger_key), WithJsonSchema({"type": "string"})] = Field(
        None, description="<ts_from>,<symbol>,<venue>,<cause>,<kind> of the last row before: `next` of its answer"
    )

    @property
    def question(self) -> GapLedger:
        """The question about holes that this request is."""
        kind = self.kind if self.kind is None else _KINDS.get(self.kind, self.kind)
        of = (self.symbols, self.venue, self.product, *self.days, self.from_, self.to)
        return GapLedger(*of, limit=self.limit or 1_000, cause=self.cause, kind=kind, before=self.after)


class QualityOverviewParameters(SpanParameters, PagedParameters):
    """Quality of which instruments, and when; without `from` the last day that has any."""

    @property
    def question(self) -> QualityOverview:
        """The question about quality that this request is; spans are as narrow as the range allows."""
        of = (self.symbols, self.venue, self.product)
        span = (self.from_, self.to)
        return QualityOverview(*of, None, None, *span, limit=self.limit, after=self.after, width_ns=60 * 10**9)
