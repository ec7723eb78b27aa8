"""Which rate of funding is paid: the same rule for rows of a recording and of the store."""

from __future__ import annotations

from decimal import Decimal

from marketprism_application.backtesting.columns import FundingRow
from marketprism_application.backtesting.paid_rates import PaidRates
from marketprism_application.backtesting.recorded_books import RecordedBooks
from marketprism_application.contracts.venue_messages import FundingRateMessage, record_of


def message(ts: int, rate: str, ts_funding: int | None = None, *, settled: bool = False) -> FundingRateMessage:
    return FundingRateMessage(
        v=1,
        venue="binance",
        symbol="BTC-USDT-PERP",
        source="s",
        epoch=1,
        seq=ts,
        ts_event=ts,
        ts_recv=ts,
        ts_pub=ts,
        rate=rate,
        ts_funding=ts_funding,
        settled=settled,
    )


def test_the_last_rate_of_an_instant_is_paid_and_a_settled_one_without_it_when_it_was_written() -> None:
    given = [
        message(1, "0.00010", 100),
        message(2, "0.0002", 100),
        message(3, "0.0009"),  # of no instant
        message(50, "0.0005", settled=True),
        message(101, "0.0003", 100, settled=True),
    ]
    rates, recorded = PaidRates(), RecordedBooks()
    for each in given:
        rates.see(record_of(each))
        recorded.keep(each)
    expected = (FundingRow(50, Decimal("0.0005")), FundingRow(100, Decimal("0.0003")))
    assert rates.rows() == recorded.funding(("binance", "BTC-USDT-PERP")) == expected
    assert recorded.funding(("binance", "ETH-USDT-PERP")) == ()
