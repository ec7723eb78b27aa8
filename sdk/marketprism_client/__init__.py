"""What other programs import: subscribe to ticks and bars, query the read service."""

from marketprism_client.client import MarketClient, QueryFailed

__all__ = ["MarketClient", "QueryFailed"]
