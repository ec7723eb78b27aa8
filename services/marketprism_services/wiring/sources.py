"""Counters of the Chinese markets by the settings."""

from __future__ import annotations

from marketprism_adapters.counters.live.settings import Account, CounterSettings
from marketprism_adapters.venues.live.source import VenueSettings
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.venues.books import BookSettings
from marketprism_application.venues.feed import FeedSettings
from marketprism_domain.gateway import RetryPolicy
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.connection_hours import ConnectionHours
from marketprism_domain.sessions.exchange_hours import PRODUCTS, product_of, venue_of
from marketprism_services.settings.settings import Settings

COUNTERS = ("ctp", "sopt")
LIVE = (*COUNTERS, *MARKETS)  # sources that connect somewhere: nothing of them can be read through before
_OURS = {"connect", "warm_up_s", "linger_s", "others", "retry_limit", "retry_longest_s"}  # the gateway's, not the API's
_STOCK_OPTIONS = (("sse", ""), ("szse", ""))


def counter_of(settings: Settings, venue: str) -> CounterSettings:
    """Settings of a counter.

    Raises:
        SourceError: one of them is not what it should be.
    """
    given = getattr(settings, venue).model_dump(exclude=_OURS)
    secrets = {name: given.pop(name).get_secret_value() for name in ("password", "auth_code")}
    others = tuple(
        Account(each.broker, each.user, each.password.get_secret_value(), each.md_fronts)
        for each in getattr(settings, venue).others
    )
    return CounterSettings(venue, flow=settings.data_dir / "flow", others=others, **given, **secrets)


def group_of(settings: Settings) -> str:
    """Who competes for the lease: gateways of one counter or one market; of recordings and simulations all."""
    name = settings.source.spec.partition(":")[0]
    return name if name in LIVE else "default"


def venue_of_settings(settings: Settings) -> VenueSettings:
    """What to subscribe at a crypto venue, and how."""
    given = settings.venue
    books = BookSettings(given.depth, given.top_ms, given.snapshot_s, hold_s=given.hold_s)
    return VenueSettings(
        symbols=given.instruments, kinds=given.kinds, intervals=given.intervals, collectors=given.collectors,
        audit_s=given.audit_s, refresh_s=given.refresh_s, backlog=given.backlog,
        lifetime_s=given.lifetime_s or None,
        feed=FeedSettings(given.quote_ms, given.hold_s, books),
    )  # fmt: skip


def hours_of(settings: Settings, calendar: MarketCalendar) -> ConnectionHours | None:
    """When the source is to be connected; None for always. A simulated front is never shut."""
    venue = settings.source.spec
    if venue not in COUNTERS:
        return None
    given = getattr(settings, venue)
    if given.connect == "always" or not counter_of(settings, venue).real:
        return None
    products = _STOCK_OPTIONS if venue == "sopt" else products_of(given.instruments)
    return ConnectionHours(calendar, products, given.warm_up_s, given.linger_s)


def retry_of(settings: Settings) -> RetryPolicy:
    """How often a connection is tried again."""
    if settings.source.spec not in COUNTERS:
        return RetryPolicy()
    given = getattr(settings, settings.source.spec)
    return RetryPolicy(longest_s=given.retry_longest_s, limit=given.retry_limit)


def products_of(patterns: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """(venue, product) of the instruments that patterns may mean: all of them where that cannot be told."""
    found: dict[tuple[str, str], None] = {}
    for pattern in patterns:
        letters = product_of(pattern).lower()
        known = venue_of(pattern)
        if known is not None and pattern[:1].isalpha():
            found[known, letters] = None
            continue
        for venue, products in PRODUCTS.items():
            found.update({(venue, p): None for p in products if not pattern[:1].isalpha() or p.startswith(letters)})
    return tuple(found)
