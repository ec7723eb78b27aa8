"""What the read API says of its requests: made of its routes, questions and kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from marketprism_adapters.http.operation import READING, Operation
from marketprism_adapters.http.record_schemas import rows_of
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.book_view import BookView
from marketprism_application.contracts.kinds import BAR, PATHS, TICK
from marketprism_application.contracts.questions import Records, Symbols
from marketprism_application.queries.arrow_tables import SYMBOLS
from marketprism_services.api.read.rendering import CONTENT_TYPES
from marketprism_services.api.read.requests import (
    LatestBarParameters,
    LatestTickParameters,
    LiveBookParameters,
    records_parameters,
    stream_parameters,
)
from marketprism_services.api.read.routes import ROUTES
from marketprism_services.api.read.stream_forms import CONTENT_TYPES as STREAM_TYPES
from marketprism_services.api.read.streaming import STREAMED

TAGS: Mapping[str, str] = {
    "newest": "What came last, a moment ago.",
    "books": "Order books: as they stand, and as they stood.",
    "history": "Stored records, page by page, and what is made of them.",
    "documents": "Stored records as one document of any length, as fast as it is read.",
    "instruments": "What there is: instruments with their terms, when they trade, and what is stored of each.",
}
_FILES = tuple(CONTENT_TYPES.values())
_PREFIX = "/api/v1"
# What the recording that comes with the product has, so that each request can be tried as it stands.
_EXAMPLES: Mapping[str, object] = {"symbol": "ru1901", "symbols": "ru1901", "limit": 3, "search": "ru", "text": "ru"}
_PRODUCT: Mapping[str, object] = {"symbol": "ru", "interval": "5m", "limit": 3}
_CRYPTO: Mapping[str, object] = {"venue": next(iter(MARKETS)), "symbol": "BTC-USDT-PERP", "depth": 5}
_INTERVAL: Mapping[str, object] = {"interval": "5m"}
_TAG_OF = {
    **dict.fromkeys(("symbols", "instruments", "sessions", "search", "products"), "instruments"),
    "orderbook": "books",
}


def operations() -> Iterator[Operation]:
    """Every request that the read API answers."""
    for path, summary, parameters, rows in (
        (
            "ticks/{symbol}/latest",
            "The newest tick, which may be in no table yet.",
            LatestTickParameters,
            rows_of(TICK),
        ),
        ("bars/{symbol}/latest", "The newest closed bar at each venue.", LatestBarParameters, rows_of(BAR)),
    ):
        yield Operation(
            f"{_PREFIX}/{path}",
            summary,
            (parameters,),
            rows,
            _FILES,
            tag="newest",
            codes=READING,
            tagged=True,
            examples=_EXAMPLES,
        )
    live = "The book as it stands, from the gateway that follows it."
    yield Operation(
        f"{_PREFIX}/orderbook/{{venue}}/{{symbol}}",
        live,
        (LiveBookParameters,),
        BookView,
        tag="books",
        codes=READING,
        examples=_CRYPTO,
    )
    yield from _questions()
    yield from _records()


def _questions() -> Iterator[Operation]:
    for route in ROUTES:
        rows = rows_of(SYMBOLS if route.asks is Symbols else route.rows() if callable(route.rows) else route.rows)
        name = route.path.removeprefix(f"{_PREFIX}/").partition("/")[0]
        examples = _PRODUCT if name in ("dominant", "continuous") else _EXAMPLES
        yield Operation(
            route.path,
            route.summary,
            (route.parameters,),
            rows,
            _FILES,
            route.asks.__name__,
            tag=_TAG_OF.get(name, "history"),
            codes=READING,
            paged="after" in route.parameters.model_fields,
            tagged=True,
            examples=examples,
        )


def _records() -> Iterator[Operation]:
    for name, kind in PATHS.items():
        yield Operation(
            f"{_PREFIX}/{name}/{{symbols}}",
            f"Stored records of the kind {kind.name}, oldest first.",
            (records_parameters(name),),
            rows_of(kind),
            _FILES,
            Records.__name__,
            codes=READING,
            paged=True,
            tagged=True,
            examples={**_EXAMPLES, **(_INTERVAL if kind.has_interval else {})},
        )
    for name in STREAMED:
        yield Operation(
            f"{_PREFIX}/{name}/{{symbol}}/stream",
            f"{name.capitalize()} as one document of any length.",
            (stream_parameters(name),),
            rows_of(PATHS[name]),
            tuple(STREAM_TYPES.values()),
            Records.__name__,
            tag="documents",
            codes=READING,
            examples={**_EXAMPLES, **(_INTERVAL if PATHS[name].has_interval else {})},
            description="A document that could not be finished ends without its last chunk, which every HTTP client "
            "reports as an incomplete read.",
        )
