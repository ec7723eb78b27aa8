"""Anomalies: unusual, not wrong. Streaming estimates in constant memory; floats, because they are estimates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.ticks.rules import ValidationRules

# Weight of a new observation: a memory of about 200 ticks.
_ALPHA = 0.01


class Anomaly(NamedTuple):
    """What was unusual: `kind` is price_move, price_jump, volume_burst or spread; severity low to critical."""

    kind: str
    severity: str
    value: float
    threshold: float


@dataclass(slots=True)
class AnomalyState:
    """Complete memory of a detector."""

    price: float = 0.0
    volume: float = 0.0
    count: int = 0
    mean: float = 0.0
    variance: float = 0.0
    traded: float = 0.0
    spread: float = 0.0
    trading_day: str = ""


class AnomalyDetectionService:
    """Detector of one instrument.

    Price moves are measured by the z-score of log returns against their exponentially weighted mean and variance:
    beyond 3 low, 4 medium, 5 high, 6 critical (the thresholds are rules). Nothing is said before the warm-up.
    """

    def __init__(self, state: AnomalyState | None = None) -> None:
        self.state = state or AnomalyState()

    def on_tick(self, tick: Tick, rules: ValidationRules) -> tuple[Anomaly, ...]:
        """Anomalies that this accepted tick shows."""
        s = self.state
        if tick.last is None or tick.last <= 0 or tick.volume is None:
            return ()
        price, volume = float(tick.last), float(tick.volume)
        if tick.trading_day != s.trading_day:
            # The first difference of a day is the whole auction, and the night's jump is no tick's fault.
            s.trading_day, s.price, s.volume = tick.trading_day, price, volume
            return ()
        found: list[Anomaly] = []
        if price != s.price:
            self._price(price, rules, found)
        traded = volume - s.volume
        if traded:
            self._volume(traded, rules, found)
        s.price, s.volume = price, volume
        if tick.bids and tick.asks:
            self._spread(float(tick.asks[0].price) - float(tick.bids[0].price), rules, found)
        return tuple(found)

    def _price(self, price: float, rules: ValidationRules, found: list[Anomaly]) -> None:
        s = self.state
        if s.price > 0:
            move = math.log(price / s.price)
            jump = abs(price / s.price - 1) * 100
            deviation = math.sqrt(s.variance)
            if s.count >= rules.warm_up_ticks and deviation > 0:
                z = abs(move - s.mean) / deviation
                severity = _severity(z, rules)
                # A move of one price tick in a quiet market is no news, however many deviations it is.
                if severity and jump > rules.jump_percent / 10:
                    found.append(Anomaly("price_move", severity, round(z, 3), rules.z_low))
            if jump > rules.jump_percent:
                found.append(Anomaly("price_jump", "high", round(jump, 3), rules.jump_percent))
            s.count += 1
            delta = move - s.mean
            s.mean += _ALPHA * delta
            s.variance = (1 - _ALPHA) * (s.variance + _ALPHA * delta * delta)

    def _volume(self, traded: float, rules: ValidationRules, found: list[Anomaly]) -> None:
        s = self.state
        if s.count >= rules.warm_up_ticks and s.traded > 0 and traded > s.traded * rules.burst_factor:
            found.append(Anomaly("volume_burst", "medium", round(traded / s.traded, 3), rules.burst_factor))
        s.traded += _ALPHA * (traded - s.traded)

    def _spread(self, spread: float, rules: ValidationRules, found: list[Anomaly]) -> None:
        s = self.state
        if s.count >= rules.warm_up_ticks and s.spread > 0 and spread > s.spread * rules.spread_factor:
            found.append(Anomaly("spread", "medium", round(spread / s.spread, 3), rules.spread_factor))
        s.spread += _ALPHA * (spread - s.spread)


def _severity(z: float, rules: ValidationRules) -> str:
    if z > rules.z_critical:
        return "critical"
    if z > rules.z_high:
        return "high"
    if z > rules.z_medium:
        return "medium"
    return "low" if z > rules.z_low else ""
