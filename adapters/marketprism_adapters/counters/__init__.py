"""CTP and SOPT: their API, recordings and a front that is simulated."""
