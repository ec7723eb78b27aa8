"""A process that has loaded what runs need, and becomes a child at a word: a run that takes a tenth of a second would
else wait several for its imports.

It never loads a strategy, so that nothing of one is there for the next. What chance draws is drawn anew in each child;
the seed of hashes is that of this process, wherefore a run that is made again to be compared is a fresh process.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import sys
from collections.abc import Sequence
from typing import NoReturn

from marketprism_services.forking.server import serve

_MODULES = (
    "marketprism_services.backtest.child_messages",
    "marketprism_services.backtest.child_spaces",
    "marketprism_services.backtest.child_walk",
    "marketprism_services.backtest.child_work",
    "marketprism_backtest",
)
_LOADED_BY_ARROW = "pandas"  # with its first array, where it is installed


def preload() -> None:
    """Import what children import before they load a strategy, and while they run one."""
    for name in _MODULES:
        importlib.import_module(name)
    with contextlib.suppress(ImportError):
        importlib.import_module(_LOADED_BY_ARROW)


def _become(_message: bytes, descriptors: Sequence[int]) -> NoReturn:
    """This process is a child now; what it does comes with its job."""
    from marketprism_services.backtest import child  # noqa: PLC0415 (a fork has it)

    work, errors = descriptors
    for source, target in ((work, 0), (work, 1), (errors, 2)):
        os.dup2(source, target)
    for each in descriptors:
        os.close(each)
    del sys.argv[1:]
    importlib.invalidate_caches()  # files of strategies that have come since
    if "numpy.random" in sys.modules:  # the module `random` does so by itself
        sys.modules["numpy.random"].seed()
    code = child.main()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), preload, _become)
