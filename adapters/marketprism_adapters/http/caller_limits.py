"""What a caller is answered who asks for more than one caller may."""

from __future__ import annotations

from marketprism_application.contracts.failures import Code
from marketprism_application.errors import ApplicationError


class TooMany(ApplicationError):
    """The caller has to wait; `retry_s` says how long."""

    code = Code.TOO_MANY_REQUESTS

    def __init__(self, message: str, retry_s: float) -> None:
        super().__init__(message, retryable=True)
        self.retry_s = retry_s
