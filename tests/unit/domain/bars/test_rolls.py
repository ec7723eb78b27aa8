"""Main contracts: a history that others keep, from the closes and open interest that would have made it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from marketprism_domain.bars.contract_rolls import ContractDay, delivery_of, rolls
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.trading_days import day_of, day_text


def test_three_years_of_changes_of_every_product_come_out_as_they_were(
    calendar: MarketCalendar, fixtures: Path
) -> None:
    history = json.loads((fixtures / "ctp/reference/wt_hots.json").read_bytes().decode("gbk"))
    checked = 0
    for products in history.values():
        for changes in products.values():
            days: list[ContractDay] = []
            for change in changes:
                text, old, new = str(change["date"]), change["from"], change["to"]
                if old:
                    assert delivery_of(new, text) > delivery_of(old, text), change
                    before = day_text(calendar.days.previous(day_of(text)))
                    days.append(ContractDay(old, before, Decimal(str(change["oldclose"])), Decimal(9), Decimal(1_000)))
                    days.append(ContractDay(new, before, Decimal(str(change["newclose"])), Decimal(1), Decimal(2_000)))
                days.append(ContractDay(new, text, Decimal(str(change["newclose"])), Decimal(1), Decimal(2_000)))
            found = rolls(days)
            assert [(roll.trading_day, roll.previous, roll.symbol) for roll in found] == [
                (str(change["date"]), change["from"], change["to"]) for change in changes
            ]
            for roll, change in zip(found[1:], changes[1:], strict=True):
                assert (roll.previous_close, roll.close) == (
                    Decimal(str(change["oldclose"])),
                    Decimal(str(change["newclose"])),
                )
            checked += len(found)
    assert checked > 900
