"""Orders before they are sent: what one costs, what it may be, how much to trade, where an account is liquidated."""
