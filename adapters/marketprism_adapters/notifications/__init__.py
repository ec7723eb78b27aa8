"""Channels by which people are told: robots of group chats, web hooks, e-mail, and whatever `apprise` knows."""
