"""What can be wrong with a backtest; each names the field or the place."""

from __future__ import annotations

from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError


class BacktestError(ApplicationError):
    """A backtest cannot be run as it is asked for; the text names the field, what was expected and what it was."""

    code: str = Code.INVALID_PARAMETER


class ParameterError(BacktestError):
    """A parameter that a strategy does not have, or a value outside its bounds; names the path of the schema."""


class StrategyImportError(BacktestError):
    """A strategy that cannot be imported, or that is none; names the place."""

    code = "STRATEGY_IMPORT_FAILED"


class LeverageError(BacktestError):
    """A leverage above what the lowest tier of an instrument allows; names the tier."""

    code = Code.LEVERAGE_TOO_HIGH


class NoDataError(BacktestError):
    """There is no row in the range that is asked for; names what there is."""

    code = "NO_DATA"


class StrategyFailed(BacktestError):
    """A callback raised, or asked for the impossible too often: file, line and event time are named."""

    code = "STRATEGY_FAILED"


class LimitExceeded(BacktestError):
    """A strategy took longer, or more memory, than a run may."""

    code = "LIMIT"


class LookbackExceeded(BacktestError):
    """A history was asked for that is longer than the strategy declares."""

    code = "LOOKBACK_EXCEEDED"


class FundingMissing(BacktestError):
    """A settlement of funding over which something is held has no rate; names the instrument and the instant."""

    code = "FUNDING_MISSING"


class OffGridError(BacktestError):
    """A price or a quantity of the data is no multiple of the step that its instrument has."""

    code = "OFF_GRID"
