"""Deribit: perpetuals, futures, options with greeks, spot."""
