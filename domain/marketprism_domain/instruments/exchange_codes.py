"""What the Chinese exchanges are called by others."""

from __future__ import annotations

# What vnpy, TianQin, Wind, RQData and JoinQuant call an exchange, beside its own name.
_CODES: dict[str, str] = {
    "shfe": "shf xsge",
    "ine": "xine",
    "dce": "xdce",
    "czce": "czc xzce zce",
    "gfex": "gfe",
    "cffex": "cfe ccfx cffe",
    "sse": "sh xshg",
    "szse": "sz xshe",
}
CHINESE_VENUES = tuple(_CODES)
_VENUE_OF_CODE = {code: venue for venue, codes in _CODES.items() for code in (venue, *codes.split())}
# What people call them; the first is the usual word, the second the exchange's own.
_WORDS: dict[str, tuple[str, ...]] = {
    "shfe": ("上期所", "上海期货交易所", "shangqisuo"),
    "ine": ("上期能源", "上海国际能源交易中心", "能源中心"),
    "dce": ("大商所", "大连商品交易所", "dashangsuo"),
    "czce": ("郑商所", "郑州商品交易所", "zhengshangsuo"),
    "gfex": ("广期所", "广州期货交易所", "guangqisuo"),
    "cffex": ("中金所", "中国金融期货交易所", "zhongjinsuo"),
    "sse": ("上交所", "上海证券交易所", "shangjiaosuo"),
    "szse": ("深交所", "深圳证券交易所", "shenjiaosuo"),
}


def words_of_venue(venue: str) -> tuple[str, ...]:
    """The words that people call a venue by, its own first: `shfe`, 上期所, 上海期货交易所, `shangqisuo`."""
    return (venue, *_WORDS.get(venue, ()))


def venue_of_code(code: str) -> str | None:
    """The exchange that a code means, in any case: `shfe` of `SHFE`, `SHF` or `XSGE`; None for any other."""
    return _VENUE_OF_CODE.get(code.casefold())


def is_chinese(venue: str) -> bool:
    """Whether a venue is one of the Chinese exchanges."""
    return venue in _CODES
