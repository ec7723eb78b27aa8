"""The language of messages and help: English, or Chinese where the locale is Chinese."""
