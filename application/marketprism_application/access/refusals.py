"""Why something about access is not done."""

from __future__ import annotations

from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError


class AccessRefused(ApplicationError):
    """Not done, for the reason that the code names."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


class QuotaSpent(ApplicationError):
    """All rows of a day were answered; `retry_s` says when the next day begins."""

    code = Code.QUOTA

    def __init__(self, message: str, retry_s: float) -> None:
        super().__init__(message)
        self.retry_s = retry_s


class LockedOut(ApplicationError):
    """Too many logins have failed; `retry_s` says how long to wait."""

    code = Code.LOCKED_OUT

    def __init__(self, message: str, retry_s: float) -> None:
        super().__init__(message, retryable=True)
        self.retry_s = retry_s
