"""What series of rows at a venue's times have in common."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class RowColumns:
    """Columns of rows, each with the venue's time `ts`; a dataclass of arrays of one length each."""

    __dataclass_fields__: ClassVar[dict[str, object]]
    ts: Ints

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def time(self) -> Ints:
        """When each row is there: the venue's time."""
        return self.ts

    def values(self) -> tuple[Ints, ...]:
        """All columns, in an order that does not change."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)


__all__ = ["Ints", "RowColumns"]
