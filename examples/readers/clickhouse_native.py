"""Bars and gaps out of ClickHouse by its native protocol, with clickhouse-driver; none of MarketPrism is imported.

    python clickhouse_native.py 127.0.0.1 9000 rb2505     # CLICKHOUSE_USER and CLICKHOUSE_PASSWORD_FILE: who asks

Ask the views (`market.v_…`): a table may hold a row and what replaces it. `marketprism schema reader` makes a user.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from clickhouse_driver import Client

BARS = (
    "SELECT count(), sum(volume), max(high), min(ts_open) FROM market.v_bars "
    "WHERE symbol = %(symbol)s AND interval = '1m' AND ts_open >= %(since)s"
)
NEWEST = (
    "SELECT ts_open, open, high, low, close, volume, gap FROM market.v_bars "
    "WHERE symbol = %(symbol)s AND interval = '1m' AND ts_open >= %(since)s ORDER BY ts_open DESC LIMIT 5"
)


def main(host: str, port: str, symbol: str, since: str = "2000-01-01 00:00:00") -> None:
    """Print sums of an instrument's minutes, and the newest of them."""
    secret = os.environ.get("CLICKHOUSE_PASSWORD_FILE")
    client = Client(
        host,
        port=int(port),
        user=os.environ.get("CLICKHOUSE_USER", "default"),
        password=Path(secret).read_text(encoding="utf-8").strip() if secret else "",
    )
    asked = {"symbol": symbol, "since": since}
    print("clickhouse", *client.execute(BARS, asked)[0])
    for row in client.execute(NEWEST, asked):
        print(*row)
    client.disconnect()


if __name__ == "__main__":
    main(*sys.argv[1:])
