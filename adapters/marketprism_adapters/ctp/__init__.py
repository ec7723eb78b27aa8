"""CTP and SOPT: market data of the Chinese futures and options counters, behind the compiled API that vnpy ships."""
