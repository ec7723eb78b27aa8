"""Anomalies: unusual, not wrong. Streaming estimates in constant memory; floats, because they are estimates."""

from __future__ import annotations

import math
from typing import Final

from marketprism_domain.marketdata.tick import ASKS, BIDS, LAST, TRADING_DAY, VOLUME, Tick
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.ticks.state import Anomaly, AnomalyState, anomaly, number_of

# Weight of a new observation: a memory of about 200 ticks.
_ALPHA: Final = 0.01


class AnomalyDetectionService:
    """Detector of one instrument.

    Price moves are measured by the z-score of log returns against their exponentially weighted mean and variance:
    beyond 3 low, 4 medium, 5 high, 6 critical (the thresholds are rules). Nothing is said before the warm-up.
    """

    __slots__ = (
        "_burst",
        "_count",
        "_jump",
        "_mean",
        "_price",
        "_rules",
        "_spread",
        "_traded",
        "_trading_day",
        "_variance",
        "_volume",
        "_warm_up",
        "_wide",
    )

    def __init__(self, state: AnomalyState | None = None) -> None:
        state = state or AnomalyState()
        self._price: float = state.price
        self._volume: float = state.volume
        self._count: int = state.count
        self._mean: float = state.mean
        self._variance: float = state.variance
        self._traded: float = state.traded
        self._spread: float = state.spread
        self._trading_day: str = state.trading_day
        self._rules: ValidationRules | None = None
        self._warm_up = self._jump = self._burst = self._wide = 0.0  # the rules that every tick is held against

    @property
    def state(self) -> AnomalyState:
        """The complete memory as it is now."""
        return AnomalyState(
            self._price,
            self._volume,
            self._count,
            self._mean,
            self._variance,
            self._traded,
            self._spread,
            self._trading_day,
        )

    def on_tick(self, tick: Tick, rules: ValidationRules) -> tuple[Anomaly, ...]:
        """Anomalies that this accepted tick shows."""
        last, amount = tick[LAST], tick[VOLUME]
        if last is None or amount is None:
            return ()
        price = float(last)
        if price <= 0.0:
            return ()
        volume = float(amount)
        day = tick[TRADING_DAY]
        if day != self._trading_day:
            # The first difference of a day is the whole auction, and the night's jump is no tick's fault.
            self._trading_day, self._price, self._volume = day, price, volume
            return ()
        if rules is not self._rules:
            self._rules = rules
            self._warm_up, self._jump = number_of(rules, "warm_up_ticks"), number_of(rules, "jump_percent")
            self._burst, self._wide = number_of(rules, "burst_factor"), number_of(rules, "spread_factor")
        found: tuple[Anomaly, ...] = ()
        if price != self._price:
            found = self._on_price(price, rules)
        traded = volume - self._volume
        if traded != 0.0:
            found += self._on_volume(traded, rules)
        self._price, self._volume = price, volume
        bids, asks = tick[BIDS], tick[ASKS]
        if bids and asks:
            found += self._on_spread(float(asks[0][0]) - float(bids[0][0]), rules)
        return found

    def _on_price(self, price: float, rules: ValidationRules) -> tuple[Anomaly, ...]:
        if self._price <= 0.0:
            return ()
        found: tuple[Anomaly, ...] = ()
        move = math.log(price / self._price)
        jump = abs(price / self._price - 1.0) * 100.0
        deviation = math.sqrt(self._variance)
        if deviation > 0.0 and self._count >= self._warm_up:
            z = abs(move - self._mean) / deviation
            severity = _severity(z, rules)
            # A move of one price tick in a quiet market is no news, however many deviations it is.
            if severity and jump > self._jump / 10.0:
                found = (anomaly("price_move", severity, z, rules, "z_low"),)
        if jump > self._jump:
            found = (*found, anomaly("price_jump", "high", jump, rules, "jump_percent"))
        self._count += 1
        delta = move - self._mean
        self._mean += _ALPHA * delta
        self._variance = (1.0 - _ALPHA) * (self._variance + _ALPHA * delta * delta)
        return found

    def _on_volume(self, traded: float, rules: ValidationRules) -> tuple[Anomaly, ...]:
        found: tuple[Anomaly, ...] = ()
        usual = self._traded
        if usual > 0.0 and traded > usual * self._burst and self._count >= self._warm_up:
            found = (anomaly("volume_burst", "medium", traded / usual, rules, "burst_factor"),)
        self._traded = usual + _ALPHA * (traded - usual)
        return found

    def _on_spread(self, spread: float, rules: ValidationRules) -> tuple[Anomaly, ...]:
        found: tuple[Anomaly, ...] = ()
        usual = self._spread
        if usual > 0.0 and spread > usual * self._wide and self._count >= self._warm_up:
            found = (anomaly("spread", "medium", spread / usual, rules, "spread_factor"),)
        self._spread = usual + _ALPHA * (spread - usual)
        return found


def _severity(z: float, rules: ValidationRules) -> str:
    if z > rules.z_critical:
        return "critical"
    if z > rules.z_high:
        return "high"
    if z > rules.z_medium:
        return "medium"
    return "low" if z > rules.z_low else ""
