"""What the API says of the calls of `MarketClient`, which are those of NATS in the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from marketprism_adapters.http.operation import READING, Described, Operation
from marketprism_adapters.http.record_schemas import REF
from marketprism_application.contracts.book_view import BookRequest
from marketprism_application.contracts.questions import QUESTIONS, LatestBars

TAGS: Mapping[str, str] = {
    "client": "What `MarketClient` asks: the questions and calls that it sends over NATS, in MessagePack."
}
_ARROW, _MSGPACK = "application/vnd.apache.arrow.stream", "application/msgpack"
_QUESTION: Described = {"anyOf": [{"$ref": REF.format(model=each.__name__)} for each in QUESTIONS.values()]}


def operations() -> Iterator[Operation]:
    """A question, and the calls that are no question."""
    rows: tuple[tuple[str, str, Described | None, str], ...] = (
        (
            "ask",
            "Any question; its answer as an Arrow stream, or with `Accept: application/msgpack` as packed rows.",
            _QUESTION,
            _ARROW,
        ),
        (
            "latest_tick",
            "The newest tick's message of a symbol, nil where there is none.",
            {"type": "string"},
            _MSGPACK,
        ),
        ("latest_bars", "Messages of an instrument's newest bar at each venue.", LatestBars, _MSGPACK),
        ("orderbook", "The book as it stands, from the gateway that follows it.", BookRequest, _MSGPACK),
        ("monitor", "What the monitor says of the pipeline.", None, _MSGPACK),
    )
    for name, summary, body, answer in rows:
        yield Operation(
            f"/api/v1/client/{name}",
            summary,
            content_types=(answer, _MSGPACK) if answer == _ARROW else (answer,),
            tag="client",
            method="POST",
            body=body,
            body_type=_MSGPACK,
            codes=READING,
        )
