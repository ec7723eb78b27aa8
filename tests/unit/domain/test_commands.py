"""Commands: what they may hold, and who may give them."""

from __future__ import annotations

import pytest

from marketprism_domain.commands import (
    ISSUERS,
    MAX_INSTRUMENTS,
    AdjustValidationRules,
    ConnectToMarketSource,
    SubscribeInstrument,
    UpdateSubscriptionList,
    authorize,
    instrument_pattern,
)
from marketprism_domain.errors import CommandRefused, InvalidValue


def test_a_command_is_its_issuers_to_give_and_nobody_elses() -> None:
    command = AdjustValidationRules({"z_low": 2})
    assert authorize(command, "operator") is command
    assert authorize(command, "operator:user:li") is command
    for other in ("operators", "user:operator", "system:operator"):
        with pytest.raises(CommandRefused):
            authorize(command, other)
    with pytest.raises(CommandRefused, match="command AdjustValidationRules: expected the issuer operator, was 'sys"):
        authorize(command, "system")
    with pytest.raises(CommandRefused, match="was ''"):
        authorize(ConnectToMarketSource(), "")


def test_every_command_has_an_issuer() -> None:
    assert {kind.__name__ for kind in ISSUERS} == {
        "InitializeGateway",
        "ConnectToMarketSource",
        "DisconnectFromMarketSource",
        "SubscribeInstrument",
        "SubscribeAllInstruments",
        "UpdateSubscriptionList",
        "AdjustValidationRules",
    }


@pytest.mark.parametrize(("text", "found"), [("rb2505", "rb2505"), ("shfe.rb2505", "rb2505"), ("czce.A?1*", "A?1*")])
def test_an_instrument_is_a_symbol_or_a_pattern_without_its_venue(text: str, found: str) -> None:
    assert instrument_pattern(text) == found


def test_a_command_that_names_no_instrument_is_none() -> None:
    for symbol in ("", " a", "shfe."):
        with pytest.raises(InvalidValue, match="symbol: expected"):
            SubscribeInstrument(symbol)
        with pytest.raises(InvalidValue, match="symbol: expected"):
            UpdateSubscriptionList(("rb2505", symbol))
    for count in (0, MAX_INSTRUMENTS + 1):
        with pytest.raises(InvalidValue, match=f"instruments: expected 1 to {MAX_INSTRUMENTS} of them, was {count}"):
            UpdateSubscriptionList(("a",) * count)
