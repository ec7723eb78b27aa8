"""Witnesses: independent sources of the same rows, which are asked about a defect."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import pyarrow as pa

from marketprism_application.ports.history import RawPage
from marketprism_domain.integrity.dataset import Dataset


class WitnessRows(NamedTuple):
    """The bars that a witness has of a range, in the columns of kind kline or bar, and what came over the wire."""

    rows: pa.Table
    pages: tuple[RawPage, ...] = ()
    requests: int = 1


class Witness(Protocol):
    """One source that can be asked. `name` is that of `--witness` and of verdicts: kline, archive, trade, ticks, file.

    `is_remote`: an answer can be a passing fault, so that it is asked three times before its silence is believed.
    """

    name: str
    is_remote: bool

    def knows(self, dataset: Dataset) -> bool:
        """Whether it has rows of this kind, venue and interval at all."""
        ...

    async def bars(self, dataset: Dataset) -> WitnessRows:
        """Its bars in the range of a dataset.

        Raises:
            SourceError: it cannot be asked now.
        """
        ...

    def cost(self, dataset: Dataset) -> tuple[int, float]:
        """Requests that asking takes at least, and seconds by its budget."""
        ...


__all__ = ["Witness", "WitnessRows"]
