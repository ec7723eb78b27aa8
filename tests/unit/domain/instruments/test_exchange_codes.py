"""What the Chinese exchanges are called by others: each code and each word."""

from __future__ import annotations

import pytest

from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.exchange_codes import CHINESE_VENUES, is_chinese, venue_of_code, words_of_venue
from marketprism_domain.instruments.vt_symbols import from_vt_symbol, to_vt_symbol

CODES = {
    "shfe": ["SHFE", "SHF", "XSGE"],
    "ine": ["INE", "XINE"],
    "dce": ["DCE", "XDCE"],
    "czce": ["CZCE", "CZC", "XZCE", "ZCE"],
    "gfex": ["GFEX", "GFE"],
    "cffex": ["CFFEX", "CFE", "CCFX", "CFFE"],
    "sse": ["SSE", "SH", "XSHG"],
    "szse": ["SZSE", "SZ", "XSHE"],
}
WORDS = {
    "shfe": ("shfe", "上期所", "上海期货交易所", "shangqisuo"),
    "ine": ("ine", "上期能源", "上海国际能源交易中心", "能源中心"),
    "dce": ("dce", "大商所", "大连商品交易所", "dashangsuo"),
    "czce": ("czce", "郑商所", "郑州商品交易所", "zhengshangsuo"),
    "gfex": ("gfex", "广期所", "广州期货交易所", "guangqisuo"),
    "cffex": ("cffex", "中金所", "中国金融期货交易所", "zhongjinsuo"),
    "sse": ("sse", "上交所", "上海证券交易所", "shangjiaosuo"),
    "szse": ("szse", "深交所", "深圳证券交易所", "shenjiaosuo"),
    "binance": ("binance",),
}


def test_every_code_and_word_of_an_exchange() -> None:
    assert tuple(CODES) == CHINESE_VENUES
    assert {venue: [venue_of_code(code) for code in codes] for venue, codes in CODES.items()} == {
        venue: [venue] * len(codes) for venue, codes in CODES.items()
    }
    assert {venue: words_of_venue(venue) for venue in WORDS} == WORDS
    assert [is_chinese("shfe"), is_chinese("binance"), venue_of_code("BINANCE")] == [True, False, None]


def test_a_name_of_vnpys_without_a_venue_or_a_symbol_is_none() -> None:
    assert (to_vt_symbol("shfe", "rb2505"), from_vt_symbol("rb2505.SHFE")) == ("rb2505.SHFE", ("shfe", "rb2505"))
    assert from_vt_symbol("rb2505") == (None, "rb2505")
    for venue, symbol in (("", "rb2505"), ("shfe", "")):
        with pytest.raises(InvalidValue, match="vt_symbol: expected a venue and a symbol"):
            to_vt_symbol(venue, symbol)
