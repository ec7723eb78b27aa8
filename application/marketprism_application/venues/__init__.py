"""What every crypto venue has in common: feeds, books, trades, made ticks."""
