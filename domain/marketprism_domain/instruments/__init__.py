"""Instruments of the Chinese markets: what a code says, sizes of contracts, and the names others write them by."""
