"""What other programs import: subscribe to ticks and bars, query the read service."""

from marketprism_client._client import MarketClient
from marketprism_client._failures import QueryFailed

__all__ = ["MarketClient", "QueryFailed"]
