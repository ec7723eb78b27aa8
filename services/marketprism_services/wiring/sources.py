"""Which source is read, by the settings, and when it is connected."""

from __future__ import annotations

from marketprism_adapters.counters.live.settings import Counter
from marketprism_adapters.sources.registry import BudgetOf, make_source, parse_source
from marketprism_adapters.vnpy_gateway.registry import row_of
from marketprism_application.ports.sources import FrameTap, MarketSource
from marketprism_domain.gateway import RetryPolicy
from marketprism_domain.instruments.names import product_of
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.sessions.connection_hours import ConnectionHours
from marketprism_domain.sessions.exchange_hours import EXCHANGES, PRODUCTS, venue_of
from marketprism_services.settings.sections import CounterSection, parse_speed
from marketprism_services.settings.settings import Settings
from marketprism_services.wiring.source_names import COUNTERS, VNPY, is_live

_STOCK_OPTIONS = (("sse", ""), ("szse", ""))


def source_of(
    settings: Settings,
    calendar: MarketCalendar,
    *,
    paced: bool = False,
    tap: FrameTap | None = None,
    budget: BudgetOf | None = None,
) -> MarketSource:
    """The source that the settings name, not connected yet; `paced` at the speed they name, else as fast as it goes.
    `tap` gets its raw frames; `budget` is told what requests to a venue were made.

    Raises:
        SourceError: an unknown source, an argument that is wrong, or an input that is missing.
    """
    source = settings.source
    return make_source(
        parse_source(source.spec),
        calendar,
        speed=parse_speed(source.speed) if paced else None,
        checked=source.checked,
        tap=tap,
        counter=lambda venue: counter_of(settings, venue),
        venue=settings.venue,
        budget=budget,
        vnpy=settings.vnpy,
    )


def counter_of(settings: Settings, venue: str) -> Counter:
    """The counter of a venue, as it is set.

    Raises:
        SourceError: one of its settings does not suffice for a connection.
    """
    return Counter(venue, _section_of(settings, venue), settings.data_dir / "flow")


def group_of(settings: Settings) -> str:
    """Who competes for the lease: gateways of one counter or one market, or of one gateway of VeighNa; of recordings
    and simulations all."""
    name, _, arguments = settings.source.spec.partition(":")
    if name == VNPY:
        return f"{VNPY}-{row_of(arguments).name}"
    return name if is_live(name) else "default"


def hours_of(settings: Settings, calendar: MarketCalendar) -> ConnectionHours | None:
    """When the source is to be connected; None for always. A simulated front is never shut."""
    venue = settings.source.spec
    if venue.partition(":")[0] == VNPY:
        return _vnpy_hours(settings, calendar, venue.partition(":")[2])
    if venue not in COUNTERS:
        return None
    given = _section_of(settings, venue)
    if given.connect == "always" or not counter_of(settings, venue).settings.real:
        return None
    products = _STOCK_OPTIONS if venue == "sopt" else products_of(given.instruments)
    return ConnectionHours(calendar, products, given)


def _vnpy_hours(settings: Settings, calendar: MarketCalendar, gateway: str) -> ConnectionHours | None:
    """Those of its exchanges, where the calendar has all of them and nobody says otherwise."""
    given, exchanges = settings.vnpy, row_of(gateway).exchanges
    if given.connect == "always" or not exchanges or not set(exchanges) <= set(EXCHANGES):
        return None
    stocks = tuple(product for product in _STOCK_OPTIONS if product[0] in exchanges)
    listed = tuple(each for each in products_of(given.symbols) if each[0] in exchanges)
    return ConnectionHours(calendar, (*stocks, *listed), given)


def retry_of(settings: Settings) -> RetryPolicy:
    """How often a connection is tried again."""
    venue = settings.source.spec
    if venue.partition(":")[0] == VNPY:
        return settings.vnpy
    return _section_of(settings, venue) if venue in COUNTERS else RetryPolicy()


def products_of(patterns: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """(venue, product) of the instruments that patterns may mean: all of them where no pattern tells."""
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


def _section_of(settings: Settings, venue: str) -> CounterSection:
    return settings.sopt if venue == "sopt" else settings.ctp
