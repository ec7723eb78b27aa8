"""What processes hand one another, as bytes: written by one version of the product, read by another.

`python -m tests.support.released_formats write FILE` runs in any tree that is on the path and writes its bytes, a
sample of each format; `read FILE` reads what another tree has written and says what of it this one does not read as it
was meant. `record TREE COMMIT` makes `tests/golden/released.json` of the tree that is lying there.

Only names that the product has had for long are used, for this file is run with older trees.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_adapters.nats.source_positions import SourcePosition
from marketprism_application.aggregation.aggregator import ShardAggregator
from marketprism_application.contracts.codec import decode, encode
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.packed import PACKED_VERSION, Mark, Packed, decode_packed, encode_packed
from marketprism_application.contracts.questions import Audit, Latest, Records, decode_question, encode_question
from marketprism_application.validation.validator import ShardValidator
from marketprism_domain.bars.builder import BarSettings
from marketprism_domain.marketdata.tick import Tick
from marketprism_domain.ticks.rules import ValidationRules
from marketprism_domain.values import BookLevel
from marketprism_sdk.election import decode_lease
from marketprism_sdk.messaging import InstanceRecord
from marketprism_sdk.ports import KvEntry
from marketprism_sdk.streams import Checkpoint

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/released.json"
LAYERS = ("domain", "application", "adapters", "services", "sdk", "console")
_NOON = 1_538_960_400_500_000_000  # 2018-10-08 09:00:00.5 in China
Codec = tuple[Callable[[], bytes], Callable[[bytes], object]]


def _value(hint: Any, number: int) -> Any:
    """Something of a type, another one for each number."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _value(next(each for each in args if each is not type(None)), number)
    if hint is Decimal:
        return Decimal(number) + Decimal("0.5")
    if hint is BookLevel:
        return BookLevel(Decimal(number), Decimal(number + 1))
    if origin is tuple:
        return (_value(args[0], number),)
    if origin is dict or hint is dict:
        return {"name": _value(args[1] if args else str, number)}
    made = {str: f"text{number}", int: number, bool: True, float: 0.5}
    return made.get(hint, f"text{number}")


def _record(name: str) -> Any:
    """A record of a kind in which every field has a value."""
    kind = KINDS[name]
    return kind.model(*(_value(hint, number) for number, hint in enumerate(kind.types.values(), 1)))


def _ticks() -> Packed:
    """Ticks of an instrument in its session, as a gateway packs them."""
    head = ("shfe", "ru1901", "replay:old", 3, 0)
    made = []
    for number in range(40):
        at = _NOON + number * 500_000_000
        values: dict[str, Any] = {"trading_day": "20181008"}
        for name in ("last", "open", "high", "low", "pre_close", "pre_settlement"):
            values[name] = Decimal(12_485)
        values |= {"volume": Decimal(3_174 + number), "turnover": Decimal(396_132_700 + number * 124_850)}
        made.append(Tick(*head, at, at + 1, at + 2, number + 1, **values))
    return Packed(PACKED_VERSION, "replay:old", 3, _NOON, tuple(made), (Mark(40, _NOON + 30 * 10**9, "shfe"),))


def _validated() -> ShardValidator:
    found = ShardValidator(chinese_calendar_of_markets(), ValidationRules())
    found.process(_ticks(), 7, _NOON)
    return found


def _aggregated() -> ShardAggregator:
    out = _validated_ticks()
    found = ShardAggregator(chinese_calendar_of_markets(), BarSettings())
    found.process(out)
    return found


def _validated_ticks() -> Packed:
    out = ShardValidator(chinese_calendar_of_markets(), ValidationRules()).process(_ticks(), 7, _NOON)
    return Packed(PACKED_VERSION, "replay:old", 3, _NOON, tuple(out.ticks), tuple(out.marks))


def _restored(make: Callable[[], Any]) -> Callable[[bytes], object]:
    """State as it is after it was taken over: what the reader itself would write of it."""

    def read(data: bytes) -> object:
        stage = make()
        stage.restore(data)
        return msgspec.msgpack.decode(stage.snapshot())

    return read


def _as(kind: type) -> Codec:
    """A struct of the framework: a record that lasts, or what is asked."""

    def read(data: bytes) -> object:
        return msgspec.msgpack.decode(data, type=kind)

    made = {
        Checkpoint: (1, 5, "validator-a", 99, 2, 90, 1, {"replay:old": {"accepted": 4}}, 3, 96, "2026-01-01T00:00:00Z"),
        InstanceRecord: ("gateway", "a-1", "0.1.0", "active", 1, 2, {"http": "http://127.0.0.1:1"}, {"group": "x"}),
        SourcePosition: ("replay:old", 12, 12, True, {"empty": 1}),
    }
    return lambda: msgspec.msgpack.encode(kind(*made[kind])), read


def _lease() -> Codec:
    record = {"holder": "a-1", "epoch": 4, "state": "held"}

    def read(data: bytes) -> object:
        found = decode_lease(KvEntry("gateway.default", data, 1, False, "service_leaders"))
        return None if found is None else (found.holder, found.epoch)

    return lambda: msgspec.msgpack.encode(record), read


def _question(question: Any) -> Codec:
    return lambda: encode_question(question), decode_question


def codecs() -> dict[str, Codec]:
    """By the name of a format: who writes a sample of it, and who reads one."""
    found: dict[str, Codec] = {}
    for name, kind in KINDS.items():
        found[f"message.{name}"] = (
            lambda name=name, kind=kind: encode(kind, _record(name)),
            lambda data, kind=kind: decode(kind, data),
        )
    calendar = chinese_calendar_of_markets
    return found | {
        "packed": (lambda: encode_packed(_ticks()), decode_packed),
        "checkpoint": _as(Checkpoint),
        "snapshot.validator": (
            lambda: _validated().snapshot(),
            _restored(lambda: ShardValidator(calendar(), ValidationRules())),
        ),
        "snapshot.aggregator": (
            lambda: _aggregated().snapshot(),
            _restored(lambda: ShardAggregator(calendar(), BarSettings())),
        ),
        "kv.service_instances": _as(InstanceRecord),
        "kv.source_positions": _as(SourcePosition),
        "kv.service_leaders": _lease(),
        "rpc.records": _question(Records("tick", "ru1901")),
        "rpc.latest": _question(Latest("tick", ("ru1901",))),
        "rpc.audit": _question(Audit(("replay:old",))),
    }


def written() -> dict[str, str]:
    """Every sample as this tree writes it, in base64."""
    return {name: base64.b64encode(write()).decode() for name, (write, _) in codecs().items()}


def unread(samples: dict[str, str]) -> dict[str, str]:
    """Of samples of another tree, what this one does not read as its own one: the name, and why."""
    wrong: dict[str, str] = {}
    for name, (write, read) in codecs().items():
        if name not in samples:
            continue  # one of the two does not have it: nobody sends it to the other
        try:
            found, own = read(base64.b64decode(samples[name])), read(write())
        except Exception as error:  # noqa: BLE001 (whatever it is, it would end a process or lose a message)
            wrong[name] = f"{type(error).__name__}: {error}"
            continue
        if found != own:
            wrong[name] = f"expected {own!r:.300}, was {found!r:.300}"
    return wrong


def run_in(tree: Path, *arguments: str) -> str:
    """This program in another tree; what it prints. Raises CalledProcessError."""
    path = os.pathsep.join([*(str(tree / layer) for layer in LAYERS), str(ROOT)])
    command = [sys.executable, "-P", "-m", "tests.support.released_formats", *arguments]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=True, capture_output=True, text=True)
    return done.stdout


def main(what: str, place: str, commit: str = "") -> None:
    """`write FILE`, `read FILE` or `record TREE COMMIT`."""
    if what == "write":
        Path(place).write_text(json.dumps(written(), indent=1) + "\n")
    elif what == "read":
        print(json.dumps(unread(json.loads(Path(place).read_text()))))
    elif what == "record":
        run_in(Path(place), "write", str(GOLDEN))
        found = json.loads(GOLDEN.read_text())
        GOLDEN.write_text(json.dumps({"commit": commit, **found}, indent=1) + "\n")
    else:
        raise SystemExit(f"expected write, read or record, was {what}")


if __name__ == "__main__":
    main(*sys.argv[1:])
