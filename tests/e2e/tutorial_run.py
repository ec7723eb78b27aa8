"""Does pages as their readers do: types their blocks in order, saves their files, and looks at what is shown.

    python -m tests.e2e.tutorial_run FOLDER PAGE…

It is run in a network of its own, where the well-known ports are free; everything lies in FOLDER.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.typed_pages import ROOT, Block, blocks_of, unshown

_TYPED_S = 240  # longest time that a block takes, or what it shows
_END_S = 90
_HERE = "2"  # the terminal of blocks that name none, where a page does not move elsewhere
_LINKED = ("Makefile", "deploy", "examples", "README.md")
_COPIED = ("pyproject.toml", "constraints.txt")


class Wrong(Exception):
    """A page that does not do what it says."""


class Terminal:
    """A shell that stays: what is typed runs in it, one block after another."""

    def __init__(self, number: str, folder: Path, log: Path) -> None:
        self._number, self._log, self._typed = number, log, 0
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        self._say("set -m; trap : INT")  # a program has a group of its own, which Ctrl-C is for, and the shell stays

    def type(self, text: str) -> None:
        """Begin a block. A program that runs here is ended first."""
        self.interrupt()
        self._typed += 1
        self._file("sh").write_text(f"{text}\ntrap - ERR\n", encoding="utf-8")
        self._say(f"trap 'echo $? >>{self._file('codes')}' ERR")
        self._say(f". {self._file('sh')} </dev/null >{self._file('out')} 2>&1")
        # A line of its own: the rest of a line that Ctrl-C has ended is not done.
        self._say(f"trap - ERR; echo over >{self._file('over')}")

    def output(self) -> str:
        """What the block has shown so far."""
        path = self._file("out")
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def runs(self) -> bool:
        """Whether the block goes on."""
        return self._typed > 0 and not self._file("over").exists()

    def codes(self) -> list[str]:
        """Exit codes of its commands that ended with another one than 0."""
        path = self._file("codes")
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def wait(self, seconds: float = _TYPED_S) -> None:
        """Until the block is over."""
        last = time.monotonic() + seconds
        while self.runs():
            if time.monotonic() > last:
                raise Wrong(f"terminal {self._number}: still busy after {seconds} s:\n{self.output()[-3000:]}")
            time.sleep(0.1)

    def interrupt(self) -> None:
        """Ctrl-C, as long as a program runs."""
        if not self.runs():
            return
        for pid in _children_of(self._shell.pid):
            os.killpg(pid, signal.SIGINT)
        self.wait(_END_S)

    def close(self) -> None:
        """End the shell and whatever it began."""
        try:
            self.interrupt()
        finally:
            for pid in (*_children_of(self._shell.pid), self._shell.pid):
                with_group = os.getpgid(pid) if Path(f"/proc/{pid}").exists() else 0
                if with_group:
                    os.killpg(with_group, signal.SIGKILL)
            self._shell.wait()

    def _say(self, line: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(line + "\n")
        self._shell.stdin.flush()

    def _file(self, ending: str) -> Path:
        return self._log / f"{self._number}-{self._typed:03}.{ending}"


class Reader:
    """A reader who does what pages say."""

    def __init__(self, folder: Path) -> None:
        self._tree, self._log = folder / "tree", folder / "log"
        self._log.mkdir(parents=True)
        _lay_out(self._tree)
        self._terminals: dict[str, Terminal] = {}
        self._here = _HERE
        self._last: tuple[Terminal, Block] | None = None
        self._seen = 0  # how much of the last output was compared

    def read(self, page: Path) -> None:
        """All blocks of a page. Raises Wrong where one does not do what it says."""
        blocks, self._here = blocks_of(page), _HERE
        for block, after in zip(blocks, [*blocks[1:], None], strict=True):
            began = time.monotonic()
            self._do(block, after)
            print(f"{time.monotonic() - began:6.1f} s  {block.place}", flush=True)

    def close(self) -> None:
        """End everything."""
        for terminal in self._terminals.values():
            terminal.close()

    def _do(self, block: Block, after: Block | None) -> None:
        if "file" in block.notes:
            (self._tree / block.notes["file"]).write_text(block.text, encoding="utf-8")
        elif "not run" in block.notes:
            return
        elif block.language == "text":
            self._look(block)
        elif block.language == "sh":
            self._type(block, after)

    def _type(self, block: Block, after: Block | None) -> None:
        self._here = block.notes.get("here", self._here)
        terminal = self._terminal(block.notes.get("terminal", self._here))
        self._last, self._seen = (terminal, block), 0
        shown = after.text if after is not None and after.language == "text" else ""
        last = time.monotonic() + _TYPED_S
        while True:
            terminal.type(block.text)
            if "terminal" in block.notes:
                return
            terminal.wait()
            wrong = self._wrong(terminal, block) or unshown(shown, terminal.output())
            if not wrong:
                return
            if "repeat" not in block.notes or time.monotonic() > last:
                raise Wrong(f"{block.place}: {wrong}\n\nwas shown:\n{terminal.output()[-6000:]}")
            time.sleep(1)

    def _wrong(self, terminal: Terminal, block: Block) -> str:
        codes, expected = terminal.codes(), block.notes.get("exit", "0")
        return "" if codes == ([] if expected == "0" else [expected]) else f"expected exit code {expected}, was {codes}"

    def _look(self, block: Block) -> None:
        if "after Ctrl-C" in block.notes:
            terminal = self._terminal(block.notes["after Ctrl-C"])
            terminal.interrupt()
            self._seen = 0
        else:
            assert self._last is not None, block.place
            terminal = self._last[0]
        last = time.monotonic() + _TYPED_S
        while wrong := unshown(block.text, terminal.output()):
            if not terminal.runs() or time.monotonic() > last:
                raise Wrong(f"{block.place}: is not shown: {wrong}\n\nwas shown:\n{terminal.output()[-6000:]}")
            time.sleep(0.2)

    def _terminal(self, number: str) -> Terminal:
        if number not in self._terminals:
            self._terminals[number] = Terminal(number, self._tree, self._log)
        return self._terminals[number]


def _lay_out(tree: Path) -> None:
    """A tree as it is after a checkout whose environment is made: that of this interpreter."""
    tree.mkdir(parents=True)
    for name in _LINKED:
        (tree / name).symlink_to(ROOT / name)
    for name in _COPIED:  # older than the environment: nothing is to be installed
        (tree / name).write_bytes((ROOT / name).read_bytes())
        os.utime(tree / name, (0, 0))
    (tree / ".venv").symlink_to(sys.prefix)


def _children_of(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in path.read_text().split()] if path.exists() else []


def _bring_up_loopback() -> None:
    with socket.socket() as endpoint:
        flags = struct.pack("16sh", b"lo", 0x1)
        fcntl.ioctl(endpoint, 0x8914, flags)  # SIOCSIFFLAGS, IFF_UP


def main(arguments: Sequence[str]) -> int:
    """Read the pages; 1 and what was wrong where one does not do what it says."""
    if os.environ.get("TUTORIAL_NETWORK") == "own":
        _bring_up_loopback()
    # Whoever is started in the background of a script ignores it, and so would all that is typed here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    reader = Reader(Path(arguments[0]))
    try:
        for page in arguments[1:]:
            reader.read(Path(page).resolve())
    except Wrong as error:
        print(f"WRONG {error}", flush=True)
        return 1
    finally:
        reader.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
