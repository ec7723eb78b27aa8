"""Commands about reference data: what is listed, which contract leads."""

from __future__ import annotations

from typing import Annotated

import typer

from marketprism_application.queries.checks import MAX_SEARCH_LIMIT
from marketprism_services.cli.answers import AsJson, Form, Output, Shown, show, wanted
from marketprism_services.cli.clocks import CHINA_TIME
from marketprism_services.cli.options import DataDir, NatsUrl, ask_table, nats_of


def instruments(
    text: Annotated[str, typer.Argument(help="Part of a symbol, product, underlying or name.")] = "",
    kind: Annotated[str, typer.Option("--class", help="future, option, combination, spot or swap.")] = "",
    venue: Annotated[str, typer.Option(help="Only instruments of this venue.")] = "",
    at: Annotated[str | None, typer.Option(help="Terms as they were on this day, like 2025-08-13.")] = None,
    limit: Annotated[int | None, typer.Option(help="Most instruments to show; without, all.", min=1)] = None,
    form: Form = None,
    as_json: AsJson = False,
    output: Output = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Contract terms; names, order volumes and all the rest with --format json."""
    how = wanted(form, output, as_json=as_json)
    columns = (
        "venue",
        "symbol",
        "class_",
        "multiplier",
        "price_tick",
        "underlying",
        "strike",
        "expire_day",
    )
    moment = CHINA_TIME.instant(at, "--at")
    data = ask_table(
        nats_of(data_dir, nats_url),
        lambda market: market.instruments(text, class_=kind, venue=venue, at=moment, limit=limit),
    )
    drop = ("underlying", "strike", "price_tick")
    chosen = columns if how.table else tuple(data.column_names)
    show(data, how, Shown(chosen, "instruments", "no such instrument is known", drop))


def search(
    text: Annotated[
        str, typer.Argument(help="Words of a symbol, a product, a Chinese name, its pinyin, an English name.")
    ] = "",
    kind: Annotated[str, typer.Option("--class", help="future, option, combination, spot or swap.")] = "",
    venue: Annotated[str, typer.Option(help="Only instruments of this venue.")] = "",
    limit: Annotated[int, typer.Option(help="Most instruments to show.", min=1, max=MAX_SEARCH_LIMIT)] = 20,
    form: Form = None,
    as_json: AsJson = False,
    output: Output = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """Instruments that a text may mean, the likeliest first; without a text those with data, the newest first."""
    how = wanted(form, output, as_json=as_json)
    data = ask_table(
        nats_of(data_dir, nats_url),
        lambda market: market.search(text, class_=kind, venue=venue, limit=limit),
    )
    columns = ("venue", "symbol", "class_", "name", "english", "stored", "expire_day", "ts_last")
    chosen = columns if how.table else tuple(data.column_names)
    show(data, how, Shown(chosen, "instruments", "no such instrument is known", ("english", "expire_day")))


def rolls(
    product: Annotated[str, typer.Argument(help="Product, like ru.")],
    form: Form = None,
    as_json: AsJson = False,
    output: Output = None,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """When which contract of a product became the main one: by open interest at the day before's end."""
    how = wanted(form, output, as_json=as_json)
    data = ask_table(nats_of(data_dir, nats_url), lambda market: market.dominant(product))
    columns = ("trading_day", "symbol", "previous", "previous_close", "close")
    show(data, how, Shown(columns, f"main contracts of {product}", f"nothing stored of {product}"))
