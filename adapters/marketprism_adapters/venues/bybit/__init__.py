"""Bybit v5: spot and linear contracts; trades and books."""
