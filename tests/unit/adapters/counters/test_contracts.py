"""Which contract a row is of."""

from __future__ import annotations

import pytest

from marketprism_adapters.counters.depth.contracts import contract_of
from marketprism_adapters.counters.depth.fields import BadField
from marketprism_domain.instruments.names import class_of, product_of


@pytest.mark.parametrize(
    ("exchange", "code", "venue", "symbol"),
    [
        ("SHFE", "rb2505", "shfe", "rb2505"),
        ("", "rb2505", "shfe", "rb2505"),
        ("XSGE", "RB2505", "shfe", "rb2505"),
        ("", "RB2505.XSGE", "shfe", "rb2505"),
        ("", "SHFE.rb2505", "shfe", "rb2505"),
        ("SHF", "rb2505.SHFE", "shfe", "rb2505"),
        ("CZC", "sr505", "czce", "SR505"),
        ("ZCE", "sr505c6000", "czce", "SR505C6000"),
        ("CFFEX", "if2506", "cffex", "IF2506"),
        ("DCE", "m2505-c-3000", "dce", "m2505-C-3000"),
        ("INE", "sc2507tas", "ine", "sc2507TAS"),
        ("SHFE", "sc2507", "ine", "sc2507"),
        ("DCE", "L2602f", "dce", "l2602F"),
        ("", "10008000", "sse", "10008000"),
        ("", "90005909", "szse", "90005909"),
        ("", "510050", "sse", "510050"),
        ("", "159915", "szse", "159915"),
        ("SSE", "510050C2512A03000", "sse", "510050C2512A03000"),
        ("CZCE", "SPD SR509&SR511", "czce", "SPD SR509&SR511"),
        ("GFEX", "SP lc2507&lc2509", "gfex", "SP lc2507&lc2509"),
        ("SHFE", "rb888", "shfe", "rb888"),
        ("CFFEX", "IF9999", "cffex", "IF9999"),
        ("SHFE", "rb", "shfe", "rb"),
        ("DCE", "zz2601", "dce", "zz2601"),  # a product that was listed since
    ],
)
def test_a_contract_is_that_of_its_exchange(exchange: str, code: str, venue: str, symbol: str) -> None:
    assert contract_of(exchange, code) == (venue, symbol)


@pytest.mark.parametrize(
    ("exchange", "code", "text"),
    [
        ("DCE", "rb2505", "column ExchangeID: expected SHFE, which lists rb, was 'DCE'"),
        ("CFFEX", "SR505", "column ExchangeID: expected CZCE, which lists SR, was 'CFFEX'"),
        ("DCE", "rb2505.SHFE", "column ExchangeID: expected SHFE, as the code says, was 'DCE'"),
        ("NYMEX", "rb2505", "column ExchangeID: expected one of SHFE"),
        ("SHFE", "rb2513", "column InstrumentID: expected a contract of a month from 01 to 12, was 'rb2513'"),
        ("SHFE", "rb2500", "a contract of a month"),
        ("CZCE", "SR513", "a contract of a month"),
        ("SHFE", "rb25051", "a contract of a month"),
        ("", "zz2505", "column ExchangeID: expected an exchange"),
        ("", "123", "column InstrumentID: expected an instrument's code"),
    ],
)
def test_what_is_no_contract_is_refused_by_its_column(exchange: str, code: str, text: str) -> None:
    with pytest.raises(BadField, match=text):
        contract_of(exchange, code)


def test_codes_of_options_on_funds_and_of_what_others_keep_have_their_class() -> None:
    found = {code: (product_of(code), class_of(code)) for code in ("510050C2512A03000", "510050", "159915P2512M002500")}
    assert found == {
        "510050C2512A03000": ("510050", "option"),
        "510050": ("510050", "spot"),
        "159915P2512M002500": ("159915", "option"),
    }
    assert class_of("l2602F-C-7000") == "option"
