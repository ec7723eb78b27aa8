"""Trying again, waiting one's turn, and not trying at all; composed by `Policy`."""

from marketprism_sdk.resilience.breaker import CircuitBreaker, CircuitOpen
from marketprism_sdk.resilience.bulkhead import Bulkhead, BulkheadFull
from marketprism_sdk.resilience.limiter import Priority, RateLimited, RateLimiter
from marketprism_sdk.resilience.policy import Policy
from marketprism_sdk.resilience.retrying import Backoff, is_retryable, retry

__all__ = [
    "Backoff",
    "Bulkhead",
    "BulkheadFull",
    "CircuitBreaker",
    "CircuitOpen",
    "Policy",
    "Priority",
    "RateLimited",
    "RateLimiter",
    "is_retryable",
    "retry",
]
