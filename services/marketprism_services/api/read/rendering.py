"""Answers of the read API in the envelope, or as files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from aiohttp import web

from marketprism_adapters.http.envelope import Stamp, answered, count_of, failed, tag_of
from marketprism_application.contracts.kinds import TICK, DataKind
from marketprism_application.contracts.questions import EncodedAnswer, is_truncated, next_of
from marketprism_application.contracts.tiers import tiers_of
from marketprism_application.queries.export import json_of, json_rows, render
from marketprism_sdk.lazy import loaded
from marketprism_services.api.computing import computed
from marketprism_services.api.read.parameters import AnswerParameters, FormatParameters, load_zone
from marketprism_services.api.row_counts import check_rows, take_rows

if TYPE_CHECKING:
    import pyarrow as pa

P = TypeVar("P", bound=FormatParameters)
CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "msgpack": "application/msgpack",
}
_CLOSED_S = 86_400
_KEPT_S = 60
_AT_ONCE_ARROW = 5_000  # rows; they are copied, not rendered
_AT_ONCE = 200  # rows; more are rendered in a thread, so that others need not wait for it


async def enveloped(
    request: web.Request,
    parameters: type[P],
    work: Callable[[P], Awaitable[pa.Table | EncodedAnswer | Sequence[Any]]],
    kind: DataKind | None = None,
) -> web.Response:
    """The answer in the contract's envelope, or as a file with `format=`.

    An answer of which there is more says so in every form: by the headers `Link` and `X-Next-After`, or, where what is
    missing comes before it, `X-Truncated`; in the envelope by `next` and `truncated` too. Over an archive it says where
    its rows lay, by `X-Cold-Units`, `X-Cold-Until`, and `tiers`.

    A few records of a `kind` need no table on their way to JSON: making one costs more than all the rest.
    """
    stamp = Stamp.of(request)
    try:
        check_rows(request)
        await load_zone(request)
        asked = parameters.of(request)
        found = await work(asked)
        if isinstance(found, EncodedAnswer):
            return _file(found.bare(), asked, _more(request, found)[1] | tier_headers(found))
        take_rows(request, len(found))
        if isinstance(found, Sequence):
            if asked.format == "json" and not is_shaped(asked):
                rows = [json_of(record._asdict()) for record in found]
                return answered(rows, count_of(len(rows), "row"), stamp)
            await loaded("pyarrow")
            from marketprism_application.queries.arrow_tables import table_of  # noqa: PLC0415 (loads pyarrow)

            found = table_of(kind or TICK, found)
        more, headers = _more(request, found)
        tiers, headers = tiers_of(found), headers | tier_headers(found)
        found = found.replace_schema_metadata(None)
        if asked.format != "json":
            if asked.format == "arrow" and found.num_rows <= _AT_ONCE_ARROW:
                body = render(in_form(found, asked, asked.format), asked.format)
            else:
                body = await computed(lambda: render(in_form(found, asked, asked.format), asked.format))
            return _file(body, asked, headers)
        few = found.num_rows <= _AT_ONCE
        rows = _rows(found, asked) if few else await computed(lambda: _rows(found, asked))
        text = count_of(len(rows), "row") + ("; there are more" if more else "")
        beside = more if tiers is None else {**more, "tiers": tiers.shown()}
        response = answered(rows, text, stamp, beside, tagged=True)
        response.headers.update(headers | _caching(asked))
        return response
    except Exception as error:  # noqa: BLE001 (turned into an answer, or raised again)
        return failed(request, error, stamp)


def tier_headers(found: pa.Table | EncodedAnswer) -> dict[str, str]:
    """What says in the headers where the rows of an answer lay; nothing where there is no archive."""
    tiers = tiers_of(found)
    return {} if tiers is None else {"X-Cold-Units": str(tiers.cold_units), "X-Cold-Until": str(tiers.cold_until)}


def _file(body: bytes, asked: FormatParameters, headers: dict[str, str]) -> web.Response:
    more = {"Content-Type": CONTENT_TYPES[asked.format], "ETag": f'"{tag_of(body)}"', **_caching(asked)}
    return web.Response(body=body, headers=headers | more)


def _caching(asked: AnswerParameters) -> dict[str, str]:
    """How long a caller may keep an answer without asking: a range that ended long ago may still be repaired, and does
    not change by itself; anything else is asked for again, and not sent again where its tag is the same."""
    to, day = getattr(asked, "to", None), getattr(asked, "trading_day", None) or getattr(asked, "to_day", None)
    now = datetime.now(UTC)
    closed = (to is not None and to < (now.timestamp() - _CLOSED_S) * 1e9) or (
        day is not None and day.replace("-", "") < f"{now - timedelta(seconds=2 * _CLOSED_S):%Y%m%d}"
    )
    return {"Cache-Control": f"private, max-age={_KEPT_S}"} if closed else {}


def is_shaped(asked: AnswerParameters) -> bool:
    """Whether columns, levels of books or the writing of times are asked for."""
    return bool(asked.fields or asked.book_levels or asked.written_in)


def _rows(table: pa.Table, asked: FormatParameters) -> list[dict[str, Any]]:
    return json_rows(in_form(table, asked, "json"))


def in_form(table: pa.Table, asked: AnswerParameters, form: str) -> pa.Table:
    """The table with the columns and the times that are asked for, as the form has them.

    Raises:
        QueryError: a column that is none.
    """
    if not is_shaped(asked):
        return table
    from marketprism_application.queries.answering import shaped  # noqa: PLC0415 (loads much)
    from marketprism_application.queries.export import with_times  # noqa: PLC0415 (loads pyarrow)

    table = shaped(table, asked.fields, asked.book_levels)
    zone = asked.written_in
    return table if zone is None else with_times(table, zone, as_text=form not in ("arrow", "parquet"))


def _more(request: web.Request, table: pa.Table | EncodedAnswer) -> tuple[dict[str, Any], dict[str, str]]:
    """What says in the envelope, and in the headers, that there is more than the table."""
    if not is_truncated(table):
        return {}, {}
    key = next_of(table)
    if key is None:
        return {"truncated": True}, {"X-Truncated": "true"}
    after = ",".join(str(part) for part in key)
    query = {name: value for name, value in request.query.items() if name != "after"} | {"after": after}
    url = str(request.rel_url.with_query(query))
    headers = {
        "Link": f'<{url}>; rel="next"',
        "X-Next-After": after if after.isascii() else quote(after, safe=","),
        "X-Truncated": "true",
    }
    return {"next": after, "truncated": True}, headers
