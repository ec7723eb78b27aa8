"""What venues answered, as tables that the order desk reads."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from marketprism_adapters.trading_tables.documents import encode_document
from marketprism_adapters.trading_tables.files import FileTables
from marketprism_adapters.trading_tables.importers import IMPORTERS, Asked
from marketprism_application.errors import DefinitionError
from marketprism_domain.trading.chinese_futures import MarginRate
from marketprism_domain.trading.margin_tiers import MarginTiers, TierUnit

ON = date(2026, 6, 1)


def asked(venue: str, symbol: str = "ETH-USDT-PERP") -> Asked:
    return Asked(venue, ON, lambda native: symbol if native.startswith("ETH") else native)


BRACKETS = [
    {
        "symbol": "ETHUSDT",
        "brackets": [
            {"bracket": 2, "initialLeverage": 75, "notionalCap": 600000, "maintMarginRatio": 0.005, "cum": 50.0},
            {"bracket": 1, "initialLeverage": 100, "notionalCap": 50000, "maintMarginRatio": 0.004, "cum": 0.0},
        ],
    }
]
POSITIONS = {
    "code": "0",
    "data": [
        {"tier": "2", "mmr": "0.006", "maxLever": "50", "maxSz": "4000", "minSz": "2000", "instFamily": "ETH-USDT"},
        {"tier": "1", "mmr": "0.004", "maxLever": "100", "maxSz": "2000", "minSz": "0", "instFamily": "ETH-USDT"},
    ],
}
RISKS = {
    "result": {
        "list": [
            {
                "symbol": "ETHUSDT",
                "riskLimitValue": "1000000",
                "maintenanceMargin": "0.005",
                "maxLeverage": "100.00",
                "mmDeduction": "",
            },
            {
                "symbol": "ETHUSDT",
                "riskLimitValue": "2000000",
                "maintenanceMargin": "0.01",
                "maxLeverage": "50.00",
                "mmDeduction": "5000",
            },
        ]
    }
}
COMMISSIONS = [
    {
        "InstrumentID": "ru",
        "OpenRatioByMoney": 0.0,
        "OpenRatioByVolume": 3.01,
        "CloseRatioByVolume": 3.01,
        "CloseTodayRatioByVolume": 0,
    },
    {
        "InstrumentID": "ru2609",
        "OpenRatioByMoney": 4.5e-05,
        "CloseRatioByMoney": 4.5e-05,
        "CloseTodayRatioByMoney": 4.5e-05,
    },
]
MARGINS = [{"InstrumentID": "ru", "LongMarginRatioByMoney": 0.12, "LongMarginRatioByVolume": 0.0, "IsRelative": 0}]


def read(tmp_path: Path, what: str, answer: object, given: Asked) -> FileTables:
    """By the file that the import writes."""
    document = IMPORTERS[what](json.dumps(answer).encode(), given)
    (tmp_path / "imported.json").write_bytes(encode_document(document))
    return FileTables.read(tmp_path)


@pytest.mark.parametrize(
    ("what", "answer", "venue", "unit", "caps", "deduction"),
    [
        ("leverage-bracket", BRACKETS, "binance", TierUnit.VALUE, (50000, 600000), "50"),
        ("position-tiers", POSITIONS, "okx", TierUnit.CONTRACTS, (2000, 4000), "0"),
        ("risk-limit", RISKS, "bybit", TierUnit.VALUE, (1000000, 2000000), "5000"),
    ],
)
def test_tiers_of_a_venues_answer(
    tmp_path: Path, what: str, answer: object, venue: str, unit: TierUnit, caps: tuple[int, int], deduction: str
) -> None:
    found = read(tmp_path, what, answer, asked(venue)).margins(venue, "ETH-USDT-PERP", ON)
    assert found is not None
    assert isinstance(found.value, MarginTiers)
    assert found.value.unit is unit
    assert tuple(tier.cap for tier in found.value.tiers) == caps
    assert found.value.tiers[1].deduction == Decimal(deduction)
    assert found.source.as_of == ON


def test_rates_of_a_counter_are_of_products_and_of_contracts(tmp_path: Path) -> None:
    tables = read(tmp_path, "commission-rate", COMMISSIONS, asked("shfe"))
    product, contract = (tables.fees("shfe", symbol, ON) for symbol in ("ru2701", "ru2609"))
    assert product is not None
    assert contract is not None
    assert (product.value.taker.open.by_volume, product.value.taker.close_today.by_volume) == (Decimal("3.01"), 0)
    assert contract.value.taker.open.by_money == Decimal("0.000045")
    assert tables.fees("shfe", "rb2701", ON) is None
    margins = read(tmp_path, "margin-rate", MARGINS, asked("shfe")).margins("shfe", "ru2701", ON)
    assert margins is not None
    assert margins.value == MarginRate(Decimal("0.12"), Decimal("0"))


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b'[{"symbol": "X"}]', b'[{"symbol": "X", "brackets": []}]'])
def test_an_answer_that_is_none_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(DefinitionError, match="expected"):
        IMPORTERS["leverage-bracket"](data, asked("binance"))


def test_a_table_whose_margin_jumps_is_refused() -> None:
    wrong = [{"symbol": "ETHUSDT", "brackets": [{**each, "cum": 0} for each in BRACKETS[0]["brackets"]]}]  # type: ignore[index]
    with pytest.raises(DefinitionError, match=r"leverageBracket of ETHUSDT: tiers\[2\]\.deduction: expected 50"):
        IMPORTERS["leverage-bracket"](json.dumps(wrong).encode(), asked("binance"))


def _with(row: dict[str, object], **changed: object) -> dict[str, object]:
    return {**row, **changed}


@pytest.mark.parametrize(
    ("what", "answer", "field"),
    [
        ("margin-rate", [_with(MARGINS[0], LongMarginRatioByMoney="NaN")], "LongMarginRatioByMoney"),
        ("position-tiers", {"data": [{"mmr": "0.01", "maxLever": "10", "maxSz": "many"}]}, "maxSz"),
        ("position-tiers", {"data": [{"mmr": "0.01", "maxLever": "10", "tier": "NaN"}] * 2}, "tier"),
        ("risk-limit", {"result": {"list": [_with(RISKS["result"]["list"][0], mmDeduction="x")]}}, "mmDeduction"),
    ],
)
def test_a_number_that_is_none_is_refused_by_its_field(what: str, answer: object, field: str) -> None:
    with pytest.raises(DefinitionError, match=f"expected the venue's answer, .*{field}"):
        IMPORTERS[what](json.dumps(answer).encode(), asked("okx"))


def test_a_table_file_with_a_number_that_is_none_is_refused_by_its_row(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        'venue = "shfe"\n[[rates]]\nsymbols = ["rb*"]\nas_of = 2026-01-01\nsource = "own"\nby_money = nan\n'
    )
    with pytest.raises(DefinitionError, match=r"rates\[1\]\.by_money: expected a finite number"):
        FileTables.read(tmp_path)
