"""Notifications: which people are told of an alert, where, when, in which words, and what if nobody answers."""
