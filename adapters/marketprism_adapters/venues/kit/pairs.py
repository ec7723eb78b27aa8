"""Where base and quote meet in a name without a sign between them (`BTCUSDT`), where no instrument list says it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

# Coins and currencies that are traded nearly everywhere, so that a name which begins with one is that one's.
_COINS = """
BTC ETH BNB XRP SOL ADA DOGE TRX DOT LTC BCH LINK AVAX XLM ATOM UNI ETC FIL NEAR APT ARB OP SUI TON SHIB PEPE ICP HBAR
VET ALGO EOS XTZ XMR ZEC DASH NEO IOTA AAVE MKR SNX COMP YFI CRV SUSHI GRT SAND MANA AXS ENJ CHZ THETA 1INCH ALICE
ANKR APE AR ASTR AUDIO BAL BAND BAT BLUR BNT CAKE CELO CELR CKB COTI CVC DENT DODO DYDX ENS FLOW FLR FXS GALA GMT GMX
HOT HNT ICX IOST IOTX JASMY JTO KNC KSM LINA LPT LRC LUNA LUNC MASK MATIC MINA NMR OCEAN OGN OMG ONE ONT PENDLE PEOPLE
POL PYTH QNT QTUM REEF REN ROSE RSR RVN SKL STORJ STRK SXP TRB TRUMP TURBO TWT UMA VIRTUAL WAVES WIN WOO XEM ZIL ZRX
ZRO FTM EGLD KAVA RUNE INJ TIA SEI WLD STX IMX LDO ENA ONDO JUP BONK WIF FLOKI ORDI HYPE TAO FET RENDER PAXG XAUT WBTC
WBETH STETH BETH MNT USDT USDC FDUSD BUSD TUSD USDP USD1 USDE BFUSD RLUSD XUSD DAI PAX EUR EURI GBP AUD JPY
"""
COINS = frozenset(_COINS.split())


class Quotes(NamedTuple):
    """What the names of a market end with.

    `certain` are quotes that nothing else ends with. One of the `doubtful` may be the end of another quote as well (a
    new dollar coin ends with USD), or of a coin: it counts only behind a coin of `COINS`.
    """

    certain: frozenset[str]
    doubtful: frozenset[str]

    def split(self, name: str) -> tuple[str, str] | None:
        """Base and quote; None where the name alone does not tell."""
        found = [(name[:-size], name[-size:]) for size in range(1, len(name)) if self._is_quote(name[-size:])]
        known = [pair for pair in found if pair[0] in COINS]
        chosen = known or [pair for pair in found if pair[1] in self.certain]
        return chosen[0] if len(chosen) == 1 else None

    def _is_quote(self, text: str) -> bool:
        return text in self.certain or text in self.doubtful


def quotes(certain: str, doubtful: str) -> Quotes:
    """Of two texts with blanks between the names."""
    return Quotes(_names(certain.split()), _names(doubtful.split()))


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(names)
