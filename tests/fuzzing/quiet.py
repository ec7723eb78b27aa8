"""Nothing is logged while inputs are tried: a million refusals are no news."""

from __future__ import annotations

import logging
import warnings

import structlog


def silence() -> None:
    """No line of a log and no warning from now on, in this process."""
    logging.disable(logging.CRITICAL)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False
    )
    warnings.simplefilter("ignore")
