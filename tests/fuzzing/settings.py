"""What configures: settings files and variables, central values, command lines, tables of trading, orders."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import date
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import typer
from typer._click import exceptions as click

from marketprism_adapters.trading_tables.documents import document_of, encode_document
from marketprism_adapters.trading_tables.importers import IMPORTERS, import_document
from marketprism_application.contracts.orders import AccountLiquidation, CalculateOrder, ProfitOf, SizeOf
from marketprism_application.errors import ApplicationError, DefinitionError
from marketprism_domain.errors import DomainError, InvalidValue
from marketprism_services.cli.app import app
from marketprism_services.settings.central import (
    CentralKey,
    check_key,
    check_name,
    check_together,
    checked_value,
    known_names,
)
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.loading import from_environment
from marketprism_services.settings.settings import Settings, load
from tests.fuzzing.mutation import choosing, mutated_json, words
from tests.fuzzing.on_disk import file_of
from tests.fuzzing.target import Target, expect, text_of
from tests.support.orders import PERP, TABLES, desk

_SECRET = "hunter2"


# -- files and variables -------------------------------------------------------------------------------------------


def _file(data: bytes) -> None:
    name = "a.json" if data[:1] == b"{" or data[:1] == b"[" else "a.toml"
    try:
        load(file_of(data, name))
    except SettingsError as error:
        expect(_SECRET not in str(error) or data.count(_SECRET.encode()) > 1, f"an error says a password: {error}")
        raise


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _variables(data: bytes) -> None:
    values = {}
    for line in text_of(data).split("\n")[:8]:
        name, _, value = line.partition("=")
        if name.startswith("MARKETPRISM_") and "\0" not in line and "_FILE" not in name.upper():
            values[name] = value
    with _environment(values):
        from_environment(Settings)
        load()


def _seed_file() -> bytes:
    whole = (Path(__file__).parents[2] / "deploy" / "config" / "marketprism.toml").read_text(encoding="utf-8")
    lines = [line.lstrip("# ") if line.startswith("# ") and " = " in line else line for line in whole.splitlines()]
    return "\n".join(line for line in lines if line.startswith("[") or " = " in line).encode()[:3_000]


def _central(data: bytes) -> None:
    """Values by key, as an administrator sends them; each by itself, then together."""
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(given, dict):
        return
    good = {}
    for text, value in list(given.items())[:4]:
        key = CentralKey.of(text)
        expect(CentralKey.of(str(key)) == key or not key.service, "a key is written as another one")
        check_name(key.name)
        check_key(key)
        good[str(key)] = checked_value(key.name, value)
    check_together(good)


# -- command lines -------------------------------------------------------------------------------------------------


@cache
def _command() -> Any:
    return typer.main.get_command(app)


def _line(data: bytes) -> None:
    """A command line is parsed, down to the command that it names; nothing is run."""
    arguments = [each for each in text_of(data).split("\n") if each][:12]
    command, context = _command(), None
    while True:
        with redirect_stdout(StringIO()), command.make_context("marketprism", arguments, parent=context) as context:
            if not hasattr(command, "resolve_command"):
                return
            rest = [*vars(context)["_protected_args"], *context.args]
            _name, found, arguments = command.resolve_command(context, rest)
            if found is None:
                return
            command = found


# -- tables and orders ---------------------------------------------------------------------------------------------


def _table(data: bytes) -> None:
    name = "a.json" if data[:1] == b"{" else "a.toml"
    found = document_of(data, name)
    expect(document_of(encode_document(found), "b.json") == found, "a table is written as another one")


def _table_seeds() -> list[bytes]:
    folder = Path(__file__).parents[2] / "adapters" / "marketprism_adapters" / "trading_tables" / "tables"
    return [path.read_bytes()[:1_500].rpartition(b"\n\n")[0] for path in sorted(folder.glob("*.toml"))[:4]]


_IMPORTS = tuple(IMPORTERS)
_VENUES = ("binance", "okx", "bybit", "shfe", "shfe")


def _import(data: bytes) -> None:
    number = data[0] % len(_IMPORTS) if data else 0
    import_document(_IMPORTS[number], data[1:], _VENUES[number], date(2026, 1, 2), TABLES)


def _import_seeds() -> list[bytes]:
    bodies: tuple[Any, ...] = (
        [
            {
                "symbol": "BTCUSDT",
                "brackets": [
                    {
                        "bracket": 1,
                        "initialLeverage": 125,
                        "notionalCap": 50000,
                        "notionalFloor": 0,
                        "maintMarginRatio": 0.004,
                        "cum": 0,
                    }
                ],
            }
        ],
        {
            "code": "0",
            "data": [
                {
                    "tier": "1",
                    "mmr": "0.004",
                    "imr": "0.01",
                    "maxLever": "100",
                    "maxSz": "500",
                    "minSz": "0",
                    "instFamily": "BTC-USDT",
                    "uly": "BTC-USDT",
                }
            ],
        },
        {
            "retCode": 0,
            "result": {
                "list": [
                    {
                        "id": 1,
                        "symbol": "BTCUSDT",
                        "riskLimitValue": "2000000",
                        "maintenanceMargin": "0.005",
                        "initialMargin": "0.01",
                        "maxLeverage": "100.00",
                    }
                ]
            },
        },
        [
            {
                "InstrumentID": "ru",
                "OpenRatioByMoney": 0.0,
                "OpenRatioByVolume": 3.0,
                "CloseRatioByMoney": 0.0,
                "CloseRatioByVolume": 3.0,
                "CloseTodayRatioByMoney": 0.0,
                "CloseTodayRatioByVolume": 3.0,
            }
        ],
        [
            {
                "InstrumentID": "ru1901",
                "LongMarginRatioByMoney": 0.1,
                "LongMarginRatioByVolume": 0.0,
                "ShortMarginRatioByMoney": 0.1,
                "ShortMarginRatioByVolume": 0.0,
            }
        ],
    )
    return [bytes([n]) + json.dumps(body).encode() for n, body in enumerate(bodies)]


_ORDERS: tuple[tuple[type[Any], str, dict[str, Any]], ...] = (
    (CalculateOrder, "calculate", {**PERP, "leverage": 10, "stop": "59000", "take": "62000"}),
    (ProfitOf, "pnl", {**PERP, "entry": "59000"}),
    (SizeOf, "size", {**PERP, "budget": "3045", "risk": "100", "stop": "59000"}),
    (
        AccountLiquidation,
        "liquidation",
        {
            "venue": "binance",
            "wallet": "10000",
            "positions": [{"symbol": "BTC-USDT-PERP", "side": "buy", "quantity": "2", "entry": "60000"}],
        },
    ),
)


def _order(data: bytes) -> None:
    """An order as a caller writes it: its numbers, or what is wrong with them."""
    kind, ask, _ = _ORDERS[data[0] % len(_ORDERS) if data else 0]
    asked = msgspec.json.decode(data[1:], type=kind, strict=False)
    found = asyncio.run(getattr(desk(), ask)(asked))
    expect("NaN" not in repr(found) and "Infinity" not in repr(found), f"a number that is none: {found!r}"[:300])


def _order_seeds() -> list[bytes]:
    future = {
        "venue": "shfe",
        "symbol": "ru2609",
        "side": "sell",
        "quantity": "3",
        "price": "12345",
        "entry": "12000",
        "budget": "100000",
        "risk": "1000",
        "stop": "12500",
    }
    return [
        bytes([n]) + json.dumps(body if each != "x" else future).encode()
        for n, (kind, each, body) in enumerate(_ORDERS)
    ] + [
        bytes([n])
        + json.dumps({name: value for name, value in future.items() if name in kind.__struct_fields__}).encode()
        for n, (kind, _, _) in enumerate(_ORDERS[:3])
    ]


def _commands() -> list[bytes]:
    return [
        "\n".join(each.split()).encode()
        for each in (
            "bars ru1901 --interval 1m --from 2018-10-08 --json",
            "up --source sim --processes 3",
            "data import a.csv --venue binance --map open=o",
            "backtest run a:B --param fast=5",
            "config set bars.intervals 1m,5m",
            "run gateway+validator",
            "--help",
            "access users",
            "jobs list",
        )
    ]


def _words_of_commands() -> tuple[str, ...]:
    command = _command()
    found = ["\n", "--", "-", "="]
    if hasattr(command, "commands"):
        for name, each in command.commands.items():
            found.append(f"{name}\n")
            found += [
                f"{option}\n" for parameter in each.params for option in parameter.opts if option.startswith("--")
            ]
    return tuple(dict.fromkeys(found))[:160]


TARGETS = (
    Target(
        "settings-file",
        _file,
        (SettingsError,),
        lambda: [_seed_file(), b'{"bars": {"intervals": ["1m"]}}', b"[ctp]\npassword = 'hunter2'\nfront = 5\n"],
        words(
            "[",
            "]",
            " = ",
            "\n",
            "'",
            "true",
            "{",
            "}",
            "5",
            "-1",
            "1e400",
            "nan",
            "bars",
            "nats",
            "url",
            "'nats://u:hunter2@h:1'",
            ".",
            "[[ctp.others]]",
        ),
    ),
    Target(
        "settings-variables",
        _variables,
        (SettingsError,),
        lambda: [
            b"MARKETPRISM_NATS__URL=nats://a\nMARKETPRISM_BARS__INTERVALS=1m,5m",
            b"MARKETPRISM_CTP__OTHERS__0__PASSWORD=a",
        ],
        words(
            "MARKETPRISM_",
            "__",
            "=",
            "\n",
            "0",
            "²",
            "BARS",
            "NATS",
            "URL",
            "OIDC__ROLES",
            "{",
            "}",
            "[]",
            "CTP__OTHERS__",
        ),
    ),
    Target(
        "settings-central",
        _central,
        (SettingsError,),
        lambda: [json.dumps({name: 5, f"{name}@storage": "6"}).encode() for name in known_names()[::40]],
        mutated_json,
    ),
    Target(
        "command-line", _line, (typer.Exit, typer.Abort, click.ClickException), _commands, words(*_words_of_commands())
    ),
    Target(
        "trading-table",
        _table,
        (DefinitionError,),
        _table_seeds,
        words(
            "[[tiers]]",
            "[[market]]",
            "symbols = ['a*']",
            "as_of = 2024-01-01",
            "source = 'x'",
            " = ",
            "\n",
            "'",
            "-1",
            "nan",
            "inf",
            "1e30",
            "0",
        ),
    ),
    Target(
        "trading-import", _import, (DefinitionError, DomainError), _import_seeds, choosing(mutated_json, len(_IMPORTS))
    ),
    Target(
        "trading-order",
        _order,
        (msgspec.MsgspecError, ApplicationError, InvalidValue, UnicodeDecodeError),
        _order_seeds,
        choosing(mutated_json, len(_ORDERS)),
    ),
)
