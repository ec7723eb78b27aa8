"""What other programs import: subscribe to ticks and bars, query the read service.

`MarketClient` has a method for what most ask; `MarketClient.ask` takes any of `questions`, typed.
"""

from typing import TYPE_CHECKING

from marketprism_sdk.lazy import lazy_names

if TYPE_CHECKING:
    from marketprism_application.contracts import questions
    from marketprism_client._client import MarketClient
    from marketprism_client._failures import QueryFailed
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "marketprism_application.contracts": ("questions",),
            "marketprism_client._client": ("MarketClient",),
            "marketprism_client._failures": ("QueryFailed",),
        },
    )

__all__ = ["MarketClient", "QueryFailed", "questions"]
