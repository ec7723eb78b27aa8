"""How one input becomes another: by the form that it has, so that most of what comes out is nearly right."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

NUMBERS: tuple[Any, ...] = (
    0,
    -1,
    1,
    2**31 - 1,
    2**31,
    2**53 + 1,
    2**63 - 1,
    2**63,
    2**64 - 1,
    -(2**63),
    946_684_799_999,
    1_700_000_000_000,
    253_402_300_800_000,
    0.1,
    -0.0,
    1e308,
    5e-324,
    1e22,
)
TEXTS = (
    "",
    " ",
    "0",
    "-0",
    "-1",
    "1e999999",
    "1E-999999",
    "NaN",
    "sNaN",
    "-inf",
    "Infinity",
    "1_000",
    "0x10",
    "１２",
    "٣",
    "²",
    "\x00",
    "\n",
    "\r\n",
    '"',
    "'",
    "\\",
    "`",
    "' OR 1=1 --",
    "'; DROP TABLE x; --",
    "{x:String}",
    "/*",
    "*",
    "?",
    ">",
    "..",
    "../../etc/passwd",
    "%00",
    "%s",
    "{}",
    "{0}",
    "2018-02-30",
    "2018-10-08T99:00",
    "9999-12-31",
    "0001-01-01",
    "20240230",
    "99999999",
    "1m",
    "0m",
    "1mo",
    "-5m",
    "+08:00",
    "+25:00",
    "Asia/Shanghai",
    "ru1901",
    "ru1901.SHFE",
    "BTC-USDT-PERP",
    "BTCUSDT",
    "binance",
    "1.",
    ".5",
    "+5",
    "1,5",
    "9" * 60,
    "0." + "0" * 40 + "1",
    "a" * 300,
    "ß",
    "ı",
    "İ",
    "\u202e",
    "\u2028",
    "💥",
    "\ud7ff",
    "true",
    "null",
    "None",
    "id",
    "__class__",
)
_SPOILERS = (
    b"",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\n",
    b"\r",
    b",",
    b";",
    b"\t",
    b'"',
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"=",
    b"&",
    b"%",
    b"-",
    b".",
    b"e",
    b"E",
    b"0",
    b"9" * 20,
    b"+",
    b"NaN",
    b" ",
)


def mutated_bytes(data: bytes, chance: Random) -> bytes:
    """Bytes with a few of them changed, doubled, cut or spoilt."""
    out = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(out) + 1)
        how = chance.randrange(7)
        if how == 0 and out:
            out[at % len(out)] ^= 1 << chance.randrange(8)
        elif how == 1:
            del out[at : at + chance.randrange(1, 9)]
        elif how == 2:
            out[at:at] = out[at : at + chance.randrange(1, 33)]
        elif how == 3:
            out[at:at] = chance.choice(_SPOILERS)
        elif how == 4:
            out[at : at + 1] = chance.choice(_SPOILERS)
        elif how == 5:
            out[at : at + chance.randrange(1, 9)] = chance.choice(TEXTS).encode("utf-8", "surrogatepass")
        else:
            out[at:] = b"" if chance.random() < 0.3 else out[at:]
    return bytes(out)


def words(*known: str) -> Callable[[bytes, Random], bytes]:
    """Texts of which parts are replaced by words that the parser knows."""
    dictionary = tuple(known)

    def mutated(data: bytes, chance: Random) -> bytes:
        text = data.decode("utf-8", "replace")
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(text) + 1)
            word = chance.choice(dictionary if chance.random() < 0.7 else TEXTS)
            text = text[:at] + word + text[at + chance.randrange(0, len(word) + 2) :]
        return text.encode("utf-8", "replace") if chance.random() < 0.8 else mutated_bytes(data, chance)

    return mutated


def mutated_json(data: bytes, chance: Random) -> bytes:
    """JSON with some of its values, keys or lists changed; bytes where it is none."""
    if chance.random() < 0.15:
        return mutated_bytes(data, chance)
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return mutated_bytes(data, chance)
    return _json(changed(tree, chance))


def _json(tree: Any) -> bytes:
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def mutated_msgpack(data: bytes, chance: Random) -> bytes:
    """MessagePack with some of its values changed; bytes where it is none."""
    if chance.random() < 0.15:
        return mutated_bytes(data, chance)
    try:
        tree = msgspec.msgpack.decode(data)
        return msgspec.msgpack.encode(changed(tree, chance))
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError, TypeError):
        return mutated_bytes(data, chance)


def mutated_table(data: bytes, chance: Random) -> bytes:
    """Lines of cells with some cells, rows or separators changed."""
    if chance.random() < 0.2:
        return mutated_bytes(data, chance)
    lines = data.split(b"\n")
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(lines))
        separator = next((each for each in (b",", b";", b"\t", b"|") if each in lines[at]), b",")
        cells = lines[at].split(separator)
        how, cell = chance.randrange(8), chance.randrange(len(cells))
        if how < 4:
            cells[cell] = str(_scalar(chance)).encode("utf-8", "replace")
        elif how == 4:
            other = chance.randrange(len(cells))
            cells[cell], cells[other] = cells[other], cells[cell]
        elif how == 5:
            cells[cell : cell + chance.randrange(2)] = [cells[cell]] * chance.randrange(3)
        elif how == 6:
            lines.insert(at, lines[chance.randrange(len(lines))])
        else:
            cells[cell] = mutated_bytes(cells[cell], chance)
        lines[at] = separator.join(cells)
    return b"\n".join(lines[:400])


def choosing(mutate: Callable[[bytes, Random], bytes], choices: int) -> Callable[[bytes, Random], bytes]:
    """Inputs whose first byte chooses what reads the rest."""

    def mutated(data: bytes, chance: Random) -> bytes:
        head, rest = data[:1] or b"\0", data[1:]
        if chance.random() < 0.1:
            head = bytes([chance.randrange(choices)])
        return head + mutate(rest, chance)

    return mutated


def changed(tree: Any, chance: Random) -> Any:
    """A tree of plain values with one to three of its places changed."""
    for _ in range(chance.randrange(1, 4)):
        tree = _changed(tree, chance)
    return tree


def _changed(tree: Any, chance: Random) -> Any:
    if isinstance(tree, dict) and tree and chance.random() < 0.93:
        key = chance.choice(list(tree))
        found = dict(tree)
        how = chance.random()
        if how < 0.08:
            del found[key]
        elif how < 0.14:
            found[chance.choice(TEXTS)] = found[key]
        elif how < 0.2:
            found[key] = found[chance.choice(list(tree))]
        else:
            found[key] = _changed(found[key], chance)
        return found
    if isinstance(tree, list) and tree and chance.random() < 0.93:
        at = chance.randrange(len(tree))
        how = chance.random()
        if how < 0.06:
            return tree[:at] + tree[at + 1 :]
        if how < 0.14:
            return [*tree[: at + 1], *tree[at:]][:200]
        if how < 0.18:
            return [*tree[:at], tree[chance.randrange(len(tree))], *tree[at + 1 :]]
        return [*tree[:at], _changed(tree[at], chance), *tree[at + 1 :]]
    return _near(tree, chance) if chance.random() < 0.5 else _value(chance, 0)


def _near(value: Any, chance: Random) -> Any:
    """A value of the same type that is another."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice((value + 1, value - 1, -value, value * 1_000, value // 1_000, *NUMBERS[:11]))
    if isinstance(value, float):
        return chance.choice((value / 3, -value, *NUMBERS))
    if isinstance(value, bytes):
        return mutated_bytes(value, chance)
    if isinstance(value, str):
        return mutated_bytes(value.encode("utf-8", "replace"), chance).decode("utf-8", "replace")
    return _value(chance, 1)


def _scalar(chance: Random) -> Any:
    return chance.choice(NUMBERS) if chance.random() < 0.4 else chance.choice(TEXTS)


def _value(chance: Random, depth: int) -> Any:
    how = chance.randrange(9 if depth < 2 else 6)
    if how == 0:
        return None
    if how == 1:
        return chance.random() < 0.5
    if how < 6:
        return _scalar(chance)
    if how == 6:
        return [_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(TEXTS): _value(chance, depth + 1) for _ in range(chance.randrange(3))}


def lines(*parts: str | bytes) -> bytes:
    """Lines of a text as bytes."""
    return b"\n".join(part.encode() if isinstance(part, str) else part for part in parts) + b"\n"


def numbered(parts: Sequence[Sequence[bytes]]) -> list[bytes]:
    """Seeds of several readers behind the byte that chooses each reader."""
    return [bytes([number]) + seed for number, seeds in enumerate(parts) for seed in seeds]
