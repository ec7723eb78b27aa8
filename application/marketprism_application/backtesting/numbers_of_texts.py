"""Numbers of a run that are given as texts."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from marketprism_application.backtesting.errors import BacktestError


def decimal_of(name: str, text: str) -> Decimal:
    """A finite decimal. Raises BacktestError, which names the field, where the text is none."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise BacktestError(f"{name}: expected a number, was {text!r}")
    return value
