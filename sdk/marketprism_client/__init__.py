"""What other programs import: subscribe to ticks and bars, query the read service."""

from typing import TYPE_CHECKING

from marketprism_sdk.lazy import lazy_names

if TYPE_CHECKING:
    from marketprism_client._client import MarketClient
    from marketprism_client._failures import QueryFailed
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "marketprism_client._client": ("MarketClient",),
            "marketprism_client._failures": ("QueryFailed",),
        },
    )

__all__ = ["MarketClient", "QueryFailed"]
