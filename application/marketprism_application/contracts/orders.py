"""Requests to the order service and its answers, as they travel. Numbers of answers are decimal texts.

A request may give what the platform or a table would say (`terms`, `tiers`, `fees`, `margin_rate`): that is taken then.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from marketprism_domain.trading.sides import MarginMode, Offset, OrderType, PositionMode, Side

ZERO = Decimal(0)
MOST_POSITIONS, MOST_PRICES, MOST_TIERS = 100, 100, 100


class GivenFees(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of the value, below 0 for a rebate; `by_volume` is money for each lot, of either side."""

    maker: Decimal
    taker: Decimal
    by_volume: Decimal = ZERO


class GivenTier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A margin tier; `cap` absent for the last, `deduction` absent where the recursion makes it."""

    rate: Decimal
    cap: Decimal | None = None
    max_leverage: Decimal | None = None
    deduction: Decimal | None = None


class GivenTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Terms of a contract and what its orders may be."""

    multiplier: Decimal | None = None
    tick: Decimal | None = None
    step: Decimal | None = None
    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    min_notional: Decimal | None = None
    percent_price: Decimal | None = None


class GivenPosition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A position that is there: `quantity` as orders count it, above 0; `mark` absent means its entry.

    `margin` is an isolated position's own. `leverage` is needed where the rule counts by it. Of Chinese futures `today`
    is how many of the lots were opened today.
    """

    symbol: str
    side: Side
    quantity: Decimal
    entry: Decimal
    mark: Decimal | None = None
    leverage: Decimal | None = None
    margin: Decimal | None = None
    today: Decimal = ZERO


class CalculateOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An order. One of `quantity`, `budget` (margin and fee) and `risk` (what a `stop` may lose) says how much.

    `price` absent means the newest of the platform. `strict` refuses what would be rounded or breaks a rule. `at` is
    the instant whose tables hold, nanoseconds UTC, 0 for now. `prices` are those whose profit is wanted. Shares are
    fractions: `stop_share` 0.019 is 1.9 % of the entry. Of options `underlying` is the price of what they are on; of
    Chinese futures `settlement` is the one before, and the price that margin is counted at.
    """

    venue: str
    symbol: str
    side: Side
    type: OrderType = OrderType.LIMIT
    offset: Offset = Offset.OPEN
    price: Decimal | None = None
    quantity: Decimal | None = None
    budget: Decimal | None = None
    risk: Decimal | None = None
    leverage: Decimal | None = None
    margin_mode: MarginMode = MarginMode.ISOLATED
    position_mode: PositionMode = PositionMode.ONE_WAY
    wallet: Decimal | None = None
    extra_margin: Decimal = ZERO
    positions: tuple[GivenPosition, ...] = ()
    fees: GivenFees | None = None
    fee_level: str = ""
    tiers: tuple[GivenTier, ...] = ()
    margin_rate: Decimal | None = None
    terms: GivenTerms | None = None
    mark: Decimal | None = None
    last: Decimal | None = None
    settlement: Decimal | None = None
    underlying: Decimal | None = None
    strike: Decimal | None = None
    option_type: str = ""
    stop: Decimal | None = None
    take: Decimal | None = None
    stop_share: Decimal | None = None
    take_share: Decimal | None = None
    reward_risk: Decimal | None = None
    entry_share: Decimal | None = None
    funding_rate: Decimal | None = None
    prices: tuple[Decimal, ...] = ()
    strict: bool = False
    at: int = 0


class ProfitOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A position and a price at which it is valued or closed. Fees count for both sides, as takers.

    Funding is that of one settlement; with `opened_at` and `settles_at` (nanoseconds UTC) none where the position was
    opened behind it.
    """

    venue: str
    symbol: str
    side: Side
    quantity: Decimal
    entry: Decimal
    price: Decimal | None = None
    leverage: Decimal | None = None
    settlement: Decimal | None = None
    today: Decimal | None = None
    funding_rate: Decimal | None = None
    opened_at: int = 0
    settles_at: int = 0
    fees: GivenFees | None = None
    fee_level: str = ""
    terms: GivenTerms | None = None
    at: int = 0


class AccountLiquidation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All positions of an account at a venue, which share `wallet` in cross mode. `tiers` and `terms` are by symbol."""

    venue: str
    positions: tuple[GivenPosition, ...]
    wallet: Decimal = ZERO
    margin_mode: MarginMode = MarginMode.CROSS
    position_mode: PositionMode = PositionMode.ONE_WAY
    fees: GivenFees | None = None
    fee_level: str = ""
    tiers: dict[str, tuple[GivenTier, ...]] = {}
    margin_rates: dict[str, Decimal] = {}
    terms: dict[str, GivenTerms] = {}
    at: int = 0


class SizeOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much to trade: by `risk` and `stop` (or `stop_share`), by `budget`, or the less of both."""

    venue: str
    symbol: str
    side: Side
    price: Decimal | None = None
    risk: Decimal | None = None
    stop: Decimal | None = None
    stop_share: Decimal | None = None
    budget: Decimal | None = None
    leverage: Decimal | None = None
    fees: GivenFees | None = None
    fee_level: str = ""
    tiers: tuple[GivenTier, ...] = ()
    margin_rate: Decimal | None = None
    terms: GivenTerms | None = None
    at: int = 0


class TablesOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A venue whose tables are wanted, as they hold at an instant (nanoseconds UTC, 0 for now)."""

    venue: str
    at: int = 0


class ImportTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a venue or a counter answered, as a table. `kind` is which of its lists, `as_of` the day of the answer,
    `answer` its JSON as text, so that numbers are as exact as they were. `who` counts where no gateway says it."""

    venue: str
    kind: str
    as_of: str
    answer: str
    who: str = ""


class RemoveTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An imported table that is to go; its fields are those of `ImportTable`."""

    venue: str
    kind: str
    as_of: str


class ImportedShown(msgspec.Struct, frozen=True):
    """An imported table: of how many instruments or products (`rows`, 0 of what is no table), by whom, and when it was
    imported (`at`, nanoseconds UTC)."""

    venue: str
    kind: str
    as_of: str
    rows: int
    by: str
    at: int


class SourceShown(msgspec.Struct, frozen=True):
    """A rule or a table that an answer rests on; `as_of` is its day, empty for what the request gave."""

    rule: str
    table: str
    as_of: str


class Amount(msgspec.Struct, frozen=True):
    """Money in an answer."""

    amount: str
    currency: str


class ViolationShown(msgspec.Struct, frozen=True):
    """A rule that an order breaks."""

    code: str
    field: str
    value: str
    expected: str


class TierShown(msgspec.Struct, frozen=True):
    """A margin tier; `unit` says whether floor and cap are value or contracts, `cap` is None without end."""

    number: int
    unit: str
    floor: str
    cap: str | None
    rate: str
    deduction: str
    max_leverage: str | None


class CostShown(msgspec.Struct, frozen=True):
    """What an order takes of the balance: margin and the loss it begins with; `price` is that the margin counts by."""

    total: str
    initial_margin: str
    open_loss: str
    price: str


class FeesShown(msgspec.Struct, frozen=True):
    """Fees of opening and closing at the order's price, as maker and as taker; below 0 is a rebate."""

    level: str
    open_maker: str
    open_taker: str
    close_maker: str
    close_taker: str


class ProfitShown(msgspec.Struct, frozen=True):
    """Profit at a price before fees, and after both fees of a taker; `on_margin` as a share of the initial margin."""

    price: str
    pnl: str
    after_fees: str | None
    on_margin: str | None


class ExitShown(msgspec.Struct, frozen=True):
    """A stop or a take, rounded to the tick, and the profit there before fees."""

    price: str
    pnl: str


class Calculation(msgspec.Struct, kw_only=True):
    """What an order is and costs. Amounts without a currency are in `currency`. None is what does not apply or what is
    not known, which `not_known` names. `rounded` are the fields that were."""

    venue: str
    symbol: str
    side: str
    type: str
    currency: str
    price: str
    price_from: str
    quantity: str
    rounded: list[str]
    violations: list[ViolationShown]
    notional: Amount
    leverage: str | None = None
    initial_margin: Amount | None = None
    maintenance_margin: Amount | None = None
    order_cost: CostShown | None = None
    fees: FeesShown | None = None
    break_even: str | None = None
    liquidation_price: str | None = None
    tier: TierShown | None = None
    bankruptcy_price: str | None = None
    pnl: list[ProfitShown] = []
    funding: Amount | None = None
    funding_cutoff_s: str | None = None
    stop_loss: ExitShown | None = None
    take_profit: ExitShown | None = None
    limits: list[str] | None = None
    risk_ratio: str | None = None
    sources: list[SourceShown] = []
    stale_table: bool = False
    not_known: list[str] = []


class Profit(msgspec.Struct, kw_only=True):
    """Profit of a position at a price, before and after fees; `funding` is of one settlement at that price."""

    venue: str
    symbol: str
    side: str
    currency: str
    price: str
    price_from: str
    pnl: str
    fees: str | None = None
    after_fees: str | None = None
    on_margin: str | None = None
    break_even: str | None = None
    funding: str | None = None
    sources: list[SourceShown] = []
    stale_table: bool = False
    not_known: list[str] = []


class PositionShown(msgspec.Struct, kw_only=True):
    """A position of an account: its margin and where it is liquidated while all others stand where they are."""

    symbol: str
    side: str
    quantity: str
    entry: str
    mark: str
    pnl: str
    maintenance_margin: str | None
    liquidation_price: str | None
    bankruptcy_price: str | None
    tier: TierShown | None


class Account(msgspec.Struct, kw_only=True):
    """An account: equity and what must be there, their ratio, and each position. At `margin_ratio` 1 or less (equity
    over what is needed), at `risk_ratio` 1 or more (margin over equity), positions are closed."""

    venue: str
    currency: str
    equity: str
    maintenance_margin: str | None
    margin_ratio: str | None
    risk_ratio: str | None
    positions: list[PositionShown]
    sources: list[SourceShown] = []
    stale_table: bool = False
    not_known: list[str] = []


class Size(msgspec.Struct, kw_only=True):
    """How much to trade, down to the step; `limited_by` says what it is held to, `loss` what the stop loses."""

    venue: str
    symbol: str
    side: str
    currency: str
    price: str
    price_from: str
    quantity: str
    limited_by: str
    notional: str
    initial_margin: str | None
    loss: str | None
    sources: list[SourceShown] = []
    stale_table: bool = False
    not_known: list[str] = []


class TableShown(msgspec.Struct, frozen=True):
    """A row of a table."""

    table: str
    symbols: tuple[str, ...]
    as_of: str
    source: str
    stale: bool
    values: dict[str, object]
