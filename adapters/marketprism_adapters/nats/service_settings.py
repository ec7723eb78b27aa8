"""What a service of the pipeline is given beyond what every service is: how the market streams are laid out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from marketprism_adapters.nats.stream_layout import StreamLayout
from marketprism_sdk.service import ServiceSettings


@dataclass(frozen=True, slots=True)
class MarketServiceSettings(ServiceSettings):
    """With the layout of the streams that the service writes."""

    layout: StreamLayout = field(default_factory=StreamLayout)


def layout_of(settings: ServiceSettings) -> StreamLayout:
    """The layout that a service was given; the usual one, with its replicas, where it was given none."""
    layout = settings.layout if isinstance(settings, MarketServiceSettings) else StreamLayout()
    return replace(layout, replicas=settings.replicas)
