"""Stored bars: records, pandas, polars, Arrow."""

from marketprism_client import SyncMarketClient

NIGHT = ("2025-02-28 21:00", "2025-02-28 21:30")

with SyncMarketClient("nats://127.0.0.1:4222") as market:
    bars = market.bars("rb2505", "1m", *NIGHT)
    first = next(iter(bars))
    print(len(bars), "bars, the first closed at", first.close, type(first.close).__name__)

    frame = bars.to_pandas()
    print(frame[["open", "high", "low", "close", "volume"]].head(3))

    print(bars.to_polars().select("open", "close", "volume").head(2))

    print(bars.to_arrow().column("close").type)

    print(market.bars("rb2505,m2505", "10m", *NIGHT).pivot("close"))
