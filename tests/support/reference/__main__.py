"""Write the reference pages: `python -m tests.support.reference`."""

from __future__ import annotations

from tests.support.reference import ROOT, write

for path in write():
    print(path.relative_to(ROOT))
