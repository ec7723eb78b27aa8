"""OKX's answers about the past, for a simulated venue: newest first, ends of a range outside of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from marketprism_adapters.venues.kit.dialect import Reply
from marketprism_adapters.venues.kit.simulated_past import PastPage, SimulatedPast
from marketprism_adapters.venues.okx.simulate import OkxDialect
from marketprism_adapters.venues.okx.terms import bar_of

_NAMES = ("history-candles", "history-trades", "funding-rate-history", "open-interest-history")


class OkxPast:
    """Fulfils `PastDialect`."""

    market = "okx"

    def __init__(self, bases: Sequence[str] = ("BTC",)) -> None:
        self._dialect = OkxDialect(bases, swaps=True)
        self.pasts: Mapping[str, SimulatedPast] = {pair.native: SimulatedPast(pair) for pair in self._dialect.pairs}

    def answer(self, path: str, query: Mapping[str, str]) -> PastPage | Reply | None:
        """Candles, trades, settled funding rates, open interest; the instrument list as it is live."""
        name = path.rsplit("/", 1)[-1]
        if name in ("instruments", "underlying"):
            return self._dialect.get(path, query, {}, old=False)
        if name not in _NAMES:
            return None
        past = self.pasts.get(query.get("instId", ""))
        if past is None:
            return Reply(200, {"code": "51001", "msg": "Instrument ID does not exist", "data": []})
        limit = int(query.get("limit", "100"))
        if name == "history-trades":
            return PastPage(self._trades(past, query, limit), _wrapped)
        first = int(query["begin"]) if "begin" in query else int(query.get("before", "0")) + 1
        last = int(query["end"]) if "end" in query else int(query.get("after", str(past.now_ms() + 1))) - 1
        rows: list[object]
        if name == "history-candles":
            step = bar_of(query["bar"], 0)[1] // 1_000_000
            rows = [
                [
                    *(str(bar.opened_ms), bar.open, bar.high, bar.low, bar.close),
                    *(bar.volume, bar.volume, bar.turnover, str(int(bar.ends_ms <= past.now_ms()))),
                ]
                for bar in past.bars(step, first, last)
            ]
        elif name == "funding-rate-history":
            of = {"instId": past.pair.native, "instType": "SWAP"}
            rows = [
                {**of, "fundingRate": rate, "realizedRate": rate, "fundingTime": str(at)}
                for at, rate in past.rates(first, last)
            ]
        else:
            rows = [[str(at), text, text, "1.0"] for at, text in past.interests(first, last)]
        return PastPage(rows[::-1][:limit], _wrapped)

    @staticmethod
    def _trades(past: SimulatedPast, query: Mapping[str, str], limit: int) -> list[dict[str, str]]:
        after = int(query["after"])
        last = past.first_id(after) - 1 if query.get("type") == "2" else after - 1
        last = min(last, past.newest_id())
        return [
            {
                "instId": past.pair.native,
                "tradeId": str(each.trade_id),
                "px": each.price,
                "sz": each.quantity,
                "side": "sell" if each.sell else "buy",
                "ts": str(each.ts_ms),
            }
            for each in reversed(past.trades(last - limit + 1, last))
        ]


def _wrapped(rows: list[object]) -> dict[str, object]:
    return {"code": "0", "msg": "", "data": rows}


__all__ = ["OkxPast"]
