"""Who asks, and the requests by which users, keys, roles and logins are looked after."""
