"""Which channels want the messages of a subject: by name, or by pattern; found once for each subject."""

from __future__ import annotations

from marketprism_services.api.stream.channel import Channel
from marketprism_services.api.stream.channel_names import Tokens, covers, facts_of
from marketprism_services.api.stream.updates import Update

_MOST_UNWANTED = 100_000


class Route:
    """The channels of a subject, and its newest message since there are any."""

    __slots__ = ("channels", "newest")

    def __init__(self) -> None:
        self.channels: dict[Channel, None] = {}
        self.newest: Update | None = None


class Routes:
    """Of one stream."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[Channel, None]] = {}
        self._patterns: dict[Tokens, dict[Channel, None]] = {}
        self._found: dict[str, Route] = {}

    def __bool__(self) -> bool:
        return bool(self._exact or self._patterns)

    def of(self, subject: str) -> Route:
        """The route of a subject; without channels where nobody wants it."""
        route = self._found.get(subject)
        if route is None:
            if len(self._found) > _MOST_UNWANTED:
                self._found = {each: found for each, found in self._found.items() if found.channels}
            route = self._found[subject] = Route()
            route.channels.update(self._exact.get(subject, {}))
            tokens = facts_of(subject).tokens
            for pattern, channels in self._patterns.items():
                if covers(pattern, tokens):
                    route.channels.update(channels)
        return route

    def newest(self, subject: str) -> Update | None:
        """The newest message of a subject, where it has come since somebody wants it."""
        route = self._found.get(subject)
        return route.newest if route is not None and route.channels else None

    def add(self, channel: Channel) -> None:
        """Send a channel what it names."""
        name = channel.name
        if name.is_exact:
            self._exact.setdefault(name.text, {})[channel] = None
            self.of(name.text).channels[channel] = None
            return
        self._patterns.setdefault(name.tokens, {})[channel] = None
        for subject, route in self._found.items():
            if covers(name.tokens, facts_of(subject).tokens):
                route.channels[channel] = None

    def remove(self, channel: Channel) -> None:
        """Send it nothing more."""
        name = channel.name
        group = self._exact.get(name.text, {}) if name.is_exact else self._patterns.get(name.tokens, {})
        group.pop(channel, None)
        if not group:
            self._exact.pop(name.text, None)
            self._patterns.pop(name.tokens, None)
        subjects = (
            [name.text] if name.is_exact else [each for each in self._found if channel in self._found[each].channels]
        )
        for subject in subjects:
            route = self._found.get(subject)
            if route is not None:
                route.channels.pop(channel, None)
                if not route.channels:
                    del self._found[subject]

    def forget_newest(self) -> None:
        """The stream is another one: nothing that came is its newest."""
        for route in self._found.values():
            route.newest = None

    def wanted(self) -> list[Tokens]:
        """Every subject and pattern that somebody wants."""
        return [*(tuple(each.split(".")) for each in self._exact), *self._patterns]

    def channels(self) -> list[Channel]:
        """Every channel that wants something."""
        return [each for group in (*self._exact.values(), *self._patterns.values()) for each in group]
