"""What is known of each gateway of VeighNa, a row each, as its code has it; what no row names is read by `UNKNOWN`."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, get_args

Volume = Literal["cumulative", "last_volume", "per_trade"]
Times = Literal["stated", "of_day", "receipt"]
Millisecond = Literal["exact", "tenths", "unpadded", "seconds"]
VOLUMES: Final = get_args(Volume)
TIMES: Final = get_args(Times)
MILLISECONDS: Final = get_args(Millisecond)
CHINA_ZONE: Final = "Asia/Shanghai"


class GatewayRow(NamedTuple):
    """How one gateway fills a `TickData`, and what its methods do.

    `volume`: `cumulative` over the trading day, the same in the field `last_volume`, or `per_trade`, of one tick alone.
    `times`: a tick's `datetime` is right as `stated`; its date is that of the machine, or the trading day, so that only
    the time `of_day` counts; or it says when something last traded, and a tick is of its `receipt`.
    `millisecond`: `exact`; `tenths` of a second or whole `seconds`, whatever else is written; or `unpadded`, 93 ms
    written as .93. `zone`: whose wall clock it is, whatever zone it bears; empty: that which it bears.
    `turnover`, `open_interest`: whether it fills them at all, where 0 else says nothing. `lists`: its contracts come by
    themselves after `connect`. `closes`: its `close` ends the connection; else one object is used for good.
    `no_price`: numbers that stand for no price, beside 0 and 1e20. `exchanges` are venues as we name them.
    """

    name: str
    exchanges: tuple[str, ...] = ()
    volume: Volume = "cumulative"
    times: Times = "stated"
    millisecond: Millisecond = "exact"
    zone: str = CHINA_ZONE
    turnover: bool = True
    open_interest: bool = True
    lists: bool = True
    closes: bool = True
    no_price: tuple[float, ...] = ()


_FIVE = ("cffex", "shfe", "czce", "dce", "ine")
_STOCKS = ("sse", "szse")
_ABROAD = (
    *(
        "smart",
        "nymex",
        "comex",
        "globex",
        "idealpro",
        "cme",
        "cbot",
        "cboe",
        "ice",
        "sehk",
        *_STOCKS,
        "hkfe",
        "cfe",
        "tse",
    ),
    *("nyse", "nasdaq", "amex", "arca", "edgea", "island", "bats", "iex", "ibkrats", "otc", "sgx", "eux", "lme"),
)
# Venues that write milliseconds of hundreds only: where the zeros behind a number were cut, they were zeros.
IN_HUNDREDS: Final = frozenset(("cffex", "shfe", "ine", *_STOCKS))
# Exchanges of VeighNa that name none: what `vnpy.global_venue` says.
NO_EXCHANGE: Final = ("GLOBAL", "LOCAL", "SMART")
UNKNOWN: Final = GatewayRow("", zone="")

ROWS: Final[dict[str, GatewayRow]] = {
    # ActionDay where the exchange tells it, else the machine's date; milliseconds printed without zeros before them.
    "vnpy_ctp.CtpGateway": GatewayRow("ctp", (*_FIVE, "gfex"), times="of_day", millisecond="unpadded"),
    "vnpy_rohon.RohonGateway": GatewayRow("rohon", (*_FIVE, "gfex"), times="of_day", millisecond="tenths"),
    "vnpy_jees.JeesGateway": GatewayRow("jees", (*_FIVE, "gfex"), times="of_day", millisecond="tenths"),
    # The machine's date always.
    "vnpy_mini.MiniGateway": GatewayRow("mini", (*_FIVE, "gfex"), times="of_day", millisecond="tenths", turnover=False),
    # The trading day as the date: a night is stamped with the day after.
    "vnpy_femas.FemasGateway": GatewayRow(
        "femas", _FIVE, times="of_day", millisecond="tenths", turnover=False, open_interest=False
    ),
    "vnpy_sopt.SoptGateway": GatewayRow("sopt", _STOCKS, times="of_day", millisecond="tenths"),
    # The day's volume in `last_volume`, no milliseconds, and a `close` that does nothing.
    "vnpy_tora.ToraStockGateway": GatewayRow(
        "tora_stock",
        (*_STOCKS, "bse", "sehk"),
        volume="last_volume",
        times="of_day",
        millisecond="seconds",
        open_interest=False,
        closes=False,
    ),
    "vnpy_tora.ToraOptionGateway": GatewayRow(
        "tora_option",
        _STOCKS,
        volume="last_volume",
        times="of_day",
        millisecond="seconds",
        turnover=False,
        closes=False,
    ),
    "vnpy_xtp.XtpGateway": GatewayRow("xtp", _STOCKS, open_interest=False, closes=False),
    "vnpy_esunny.EsunnyGateway": GatewayRow("esunny", (*_FIVE, "sge"), turnover=False, open_interest=False),
    "vnpy_tap.TapGateway": GatewayRow(
        "tap",
        ("sgx", "ine", "apex", "nymex", "lme", "comex", "cbot", "hkfe", "cme", "tocom", "krx", "ice"),
        turnover=False,
        open_interest=False,
    ),
    # Every field is a tick of its own, `datetime` that of the last trade; -1 for no price; no list before subscribing.
    "vnpy_ib.IbGateway": GatewayRow(
        "ib",
        _ABROAD,
        times="receipt",
        turnover=False,
        lists=False,
        no_price=(-1.0,),
    ),
}
_CLASS = re.compile(r"(?P<module>[A-Za-z_][\w.]*)\.(?P<cls>[A-Za-z_]\w*)", re.ASCII)


class GatewayClass(NamedTuple):
    """A class of a module."""

    module: str
    cls: str


def gateway_class(text: str) -> GatewayClass | None:
    """Module and class of `vnpy_xtp.XtpGateway`; None where a text names none."""
    found = _CLASS.fullmatch(text)
    return GatewayClass(found["module"], found["cls"]) if found is not None else None


def row_of(text: str) -> GatewayRow:
    """The row of a gateway by module and class: also of a module within that of a row, `vnpy_xtp.gateway.XtpGateway`.
    Of any other the row for all, whose name is that of the class, `mine_MyGateway` of `mine.MyGateway`."""
    found = gateway_class(text)
    if found is None:
        return UNKNOWN._replace(name=text.lower())
    row = ROWS.get(f"{found.module.partition('.')[0]}.{found.cls}")
    return row or UNKNOWN._replace(name=re.sub(r"\W", "_", text))


__all__ = [
    "CHINA_ZONE",
    "IN_HUNDREDS",
    "MILLISECONDS",
    "NO_EXCHANGE",
    "ROWS",
    "TIMES",
    "UNKNOWN",
    "VOLUMES",
    "GatewayClass",
    "GatewayRow",
    "Millisecond",
    "Times",
    "Volume",
    "gateway_class",
    "row_of",
]
