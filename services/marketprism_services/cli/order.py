"""`marketprism order`: what an order costs, what it may be, and where its position is liquidated."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from marketprism_domain.trading.sides import MarginMode, Side
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import DataDir, NatsUrl, err, nats_of, out, settings_of
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.platform.exits import Exit, Stop

if TYPE_CHECKING:
    from marketprism_application.contracts.orders import Calculation

_NUMBERS = ("quantity", "price", "leverage", "wallet", "stop", "take", "settlement", "underlying", "prices")
AsJson = Annotated[bool, typer.Option("--json", help="The whole answer as one JSON object.")]


def order(
    symbol: Annotated[str, typer.Argument(help="Instrument, like BTC-USDT-PERP or ru2605.")],
    side: Annotated[str, typer.Argument(help="buy or sell.")],
    quantity: Annotated[
        str, typer.Argument(help="How much, as orders of the venue count it: coins, contracts or lots.")
    ],
    price: Annotated[
        list[str] | None, typer.Argument(help="@ and a price; without, the newest one of the platform.")
    ] = None,
    venue: Annotated[str, typer.Option(help="Where: binance, okx, bybit, deribit, shfe, …")] = "",
    leverage: Annotated[str | None, typer.Option(help="Leverage, 1 without.")] = None,
    margin_mode: Annotated[str, typer.Option(help="isolated or cross.")] = "isolated",
    wallet: Annotated[str | None, typer.Option(help="Balance of the account, which cross mode needs.")] = None,
    stop: Annotated[str | None, typer.Option(help="Price at which the position is stopped.")] = None,
    take: Annotated[str | None, typer.Option(help="Price at which its profit is taken.")] = None,
    settlement: Annotated[
        str | None, typer.Option(help="Settlement price of the day before, of Chinese futures.")
    ] = None,
    underlying: Annotated[str | None, typer.Option(help="Price of what an option is on.")] = None,
    at_prices: Annotated[
        list[str] | None, typer.Option("--pnl-at", help="Profit at this price; may be given several times.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse what would be rounded or breaks a rule.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    nats_url: NatsUrl = None,
) -> None:
    """What an order costs and may be, and where its position is liquidated; nothing is sent anywhere.

    `marketprism order BTC-USDT-PERP buy 0.5 @ 60000 --leverage 10 --venue binance`. The order service is asked where
    one runs; with a price it is calculated here by the same code where none does.
    """
    fields = {
        "venue": venue,
        "symbol": symbol,
        "side": side,
        "quantity": quantity,
        "price": _price(price or []),
        "leverage": leverage,
        "margin_mode": margin_mode,
        "wallet": wallet,
        "stop": stop,
        "take": take,
        "settlement": settlement,
        "underlying": underlying,
        "prices": at_prices or None,
        "strict": strict or None,
    }
    _check(fields)
    found = _Desk(data_dir, nats_url).calculate({name: value for name, value in fields.items() if value is not None})
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        _show(found)


def _check(fields: Mapping[str, object]) -> None:
    """Raises Stop, exit code 2: a word is none of those that there are, or a number is none."""
    for name, words in (("side", Side), ("margin_mode", MarginMode)):
        if fields[name] not in list(words):
            raise Stop(Exit.USAGE, f"{name}: expected one of {', '.join(words)}, was {fields[name]}")
    for name in _NUMBERS:
        found = fields.get(name)
        for text in found if isinstance(found, list) else [found]:
            if text is not None and not _is_number(str(text)):
                raise Stop(Exit.USAGE, f"{name}: expected a decimal number, was {str(text)[:40]!r}")


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _price(words: list[str]) -> str | None:
    """The price behind an @, with or without a space between. Raises Stop, exit code 2: something else stands there."""
    text = " ".join(words).strip()
    if not text:
        return None
    if not text.startswith("@") or not text[1:].strip() or len(text[1:].split()) > 1:
        raise Stop(Exit.USAGE, f"price: expected @ and a price, was {text[:40]!r}")
    return text[1:].strip()


@dataclass(frozen=True)
class _Desk:
    """The order service of a pipeline, or the same calculation here."""

    data_dir: Path | None
    nats_url: str | None

    def calculate(self, fields: dict[str, object]) -> Calculation:
        """Raises Stop: the order is refused, or there is no price and nobody to ask for one."""
        from marketprism_client import QueryFailed  # noqa: PLC0415 (only commands that read)
        from marketprism_sdk.errors import NoResponders, NotConnected  # noqa: PLC0415

        async def asked() -> Calculation:
            async with nats_of(self.data_dir, self.nats_url).client() as market:
                return await market.orders.calculate(**fields)

        if "price" in fields and self._nobody_runs():
            return self._here(fields)
        try:
            return asyncio.run(asked())
        except QueryFailed as error:
            raise Stop(Exit(error.consequence.exit), str(error)) from error
        except (NoResponders, NotConnected) as error:
            if "price" not in fields or self.nats_url is not None:
                text = (
                    "no order service runs here; `marketprism run order` starts one, with @ and a price none is needed"
                )
                raise Stop(Exit.NATS, text) from error
        return self._here(fields)

    def _nobody_runs(self) -> bool:
        """Whether no pipeline is named and none runs on the data directory."""
        from marketprism_services.platform.data_dir_lock import is_running, simulated_below  # noqa: PLC0415

        settings = settings_of(None, self.data_dir, self.nats_url)
        folder = settings.data_dir
        return not settings.nats.url and not is_running(folder) and not is_running(simulated_below(folder))

    @staticmethod
    def _here(fields: dict[str, object]) -> Calculation:
        text = "no order service runs here: calculated by the tables of this program"
        err.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)
        return asyncio.run(_here(fields))


async def _here(fields: dict[str, object]) -> Calculation:
    """The calculation with the tables of the package and nothing of a platform. Raises Stop: it is refused."""
    from marketprism_adapters.memory.order_market import KnownOrderMarket  # noqa: PLC0415 (only where none runs)
    from marketprism_adapters.trading_tables.files import FileTables  # noqa: PLC0415
    from marketprism_application.contracts.failures import consequence_of, wrong_field  # noqa: PLC0415
    from marketprism_application.contracts.orders import CalculateOrder  # noqa: PLC0415
    from marketprism_application.errors import OrderError  # noqa: PLC0415
    from marketprism_application.trading.desk import OrderDesk  # noqa: PLC0415

    tables = await asyncio.to_thread(FileTables.read)
    try:
        asked = msgspec.convert(fields, CalculateOrder, strict=False)
        return await OrderDesk(tables, KnownOrderMarket()).calculate(asked)
    except msgspec.ValidationError as error:
        raise Stop(Exit.USAGE, wrong_field(error, "order")) from error
    except OrderError as error:
        raise Stop(Exit(consequence_of(error.code).exit), str(error)) from error


def _show(found: Calculation) -> None:
    """One value a line, then what it rests on, then what to look at."""
    rows: list[dict[str, object]] = [
        {"what": spoken().translate(what), "value": value} for what, value in _lines(found) if value
    ]
    title = f"{found.side} {found.quantity} {found.symbol} @ {found.price}, {found.venue}"
    show_table(out, rows, ["what", "value"], Look(title, last=len(rows)))
    for source in found.sources:
        out.print(f"  {source.table} {source.as_of}: {source.rule}", highlight=False, markup=False, soft_wrap=True)
    for violation in found.violations:
        text = f"{violation.field}: expected {violation.expected}, was {violation.value}"
        err.print(text, style="red", highlight=False, markup=False, soft_wrap=True)
    for missing in found.not_known:
        err.print(f"not known: {missing}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    if found.stale_table:
        text = "a table is more than 90 days old: import your venue's own (docs/orders.md)"
        err.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)


def _lines(found: Calculation) -> list[tuple[str, str]]:
    def amount(of: str | None) -> str:
        return f"{of} {found.currency}" if of is not None else ""

    tier, fees, cost = found.tier, found.fees, found.order_cost
    lines = [
        (
            "price",
            found.price if found.price_from == "request" else f"{found.price} ({spoken().translate(found.price_from)})",
        ),
        ("notional value", amount(found.notional.amount)),
        ("leverage", found.leverage or ""),
        ("initial margin", amount(found.initial_margin.amount if found.initial_margin else None)),
        ("maintenance margin", amount(found.maintenance_margin.amount if found.maintenance_margin else None)),
        ("order cost", amount(cost.total if cost else None)),
        ("fee to open, maker / taker", f"{fees.open_maker} / {fees.open_taker} {found.currency}" if fees else ""),
        ("fee to close, maker / taker", f"{fees.close_maker} / {fees.close_taker} {found.currency}" if fees else ""),
        ("break-even price", found.break_even or ""),
        ("liquidation price", found.liquidation_price or ""),
        (
            "margin tier there",
            spoken().translate(f"number {tier.number}, rate {tier.rate}, deduction {tier.deduction}") if tier else "",
        ),
        ("bankruptcy price", found.bankruptcy_price or ""),
        ("price limits", " / ".join(found.limits or [])),
        ("risk ratio", found.risk_ratio or ""),
        ("stop loss", f"{found.stop_loss.price}: {amount(found.stop_loss.pnl)}" if found.stop_loss else ""),
        ("take profit", f"{found.take_profit.price}: {amount(found.take_profit.pnl)}" if found.take_profit else ""),
    ]
    return [*lines, *((f"profit at {each.price}", amount(each.pnl)) for each in found.pnl)]


__all__ = ["order"]
