"""What a client does with the table of an answer, be it Arrow's or a plain one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from marketprism_application.contracts.plain_table import PlainTable, Table, plainly_together
from marketprism_application.contracts.tiers import joined, tiers_of, with_tiers
from marketprism_application.contracts.tiers import together as together_in_arrow
from marketprism_client._libraries import needs

if TYPE_CHECKING:
    import pyarrow as pa


def together(tables: Sequence[Table]) -> Table:
    """One table of several of the same columns, which says where the rows of all of them lay."""
    plain = [each for each in tables if isinstance(each, PlainTable)]
    if plain:
        return with_tiers(plainly_together(plain), joined(map(tiers_of, plain)))
    return together_in_arrow([in_arrow(each) for each in tables])


def in_arrow(table: Table) -> pa.Table:
    """The table as Arrow's.

    Raises:
        ModuleNotFoundError: pyarrow is not installed, so that rows came without it; names the extra.
    """
    if isinstance(table, PlainTable):
        needs("pyarrow")
        raise TypeError("answer: expected pyarrow from the beginning, was installed after the client was loaded")
    return table


__all__ = ["in_arrow", "together"]
