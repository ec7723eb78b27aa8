"""The products of the Chinese futures exchanges as a table."""

from __future__ import annotations

from functools import cache

import pyarrow as pa

from marketprism_application.queries.arrow_tables import PRODUCTS
from marketprism_domain.instruments.product_names import PRODUCT_NAMES
from marketprism_domain.instruments.sizes import size_of


@cache
def products() -> pa.Table:
    """`PRODUCTS`: names, and size and price step of a contract that is listed now, by venue and product. Readings of a
    name that differ have a stroke between."""
    rows = []
    for each in sorted(PRODUCT_NAMES, key=lambda names: (names.venue, names.product)):
        size = size_of(each.venue, each.product)
        rows.append(
            {
                "venue": each.venue,
                "product": each.product,
                "name": each.name,
                "short": each.short,
                "english": each.english[0],
                "pinyin": "/".join(each.chinese[0].readings),
                "multiplier": size.multiplier if size is not None else None,
                "price_tick": size.price_tick if size is not None else None,
            }
        )
    return pa.Table.from_pylist(rows, PRODUCTS)
