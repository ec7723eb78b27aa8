"""Backtest service: strategies over stored rows, as tasks that any number of instances work off."""
