"""What other programs import: subscribe to ticks and bars, query the read service."""

from marketprism_client.client import MarketClient
from marketprism_client.failures import QueryFailed

__all__ = ["MarketClient", "QueryFailed"]
