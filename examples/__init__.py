"""Strategies to begin with: `marketprism backtest examples.double_average:DoubleAverage …`."""
