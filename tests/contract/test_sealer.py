"""Sealer and Opener: what is encrypted comes out again with the key, and nothing else does."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from marketprism_adapters.cold.age import AgeOpener, AgeSealer, new_identity
from marketprism_application.contracts.backup_records import SealedObject
from marketprism_application.errors import BackupDamaged, BackupError, WrongKey
from marketprism_application.ports.backup import Opener, Sealer, Sink
from tests.support.backups import IDENTITY, RECIPIENT

SIZES = [0, 1, 65_536, 3_000_001]


async def sealed(target: Path, data: bytes, sealer: Sealer) -> SealedObject:
    async with sealer.seal(target) as sealing:
        sink: Sink = sealing.sink
        for start in range(0, len(data), 70_000):
            await sink.write(data[start : start + 70_000])
        assert sealing.sealed is None
    assert sealing.sealed is not None
    return sealing.sealed


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_sealed_for_several_opens_with_the_key_of_each(tmp_path: Path, size: int) -> None:
    other_identity, other = new_identity()
    data, target = os.urandom(size), tmp_path / "x.age"
    found = await sealed(target, data, AgeSealer([RECIPIENT, other]))
    written = target.read_bytes()
    assert found == (hashlib.sha256(written).hexdigest(), len(written))
    assert size < 64 or data[:64] not in written
    for identity in (IDENTITY, other_identity):
        opener: Opener = AgeOpener([identity])
        await opener.open(target, None)
        await opener.open(target, tmp_path / "plain")
        assert (tmp_path / "plain").read_bytes() == data


async def test_another_key_a_flipped_bit_and_a_file_that_was_cut_are_named(tmp_path: Path) -> None:
    target = tmp_path / "x.age"
    await sealed(target, os.urandom(300_000), AgeSealer([RECIPIENT]))
    whole = target.read_bytes()
    with pytest.raises(WrongKey, match=r"expected one of the recipients of x\.age"):
        await AgeOpener([new_identity()[0]]).open(target, None)
    for at in (30, 200, 1_000, 250_000, len(whole) - 1):
        target.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises((BackupDamaged, WrongKey)):
            await AgeOpener([IDENTITY]).open(target, None)
    for length in (0, 50, 70_000, len(whole) - 1):
        target.write_bytes(whole[:length])
        with pytest.raises(BackupDamaged, match=r"x\.age: expected a whole age file"):
            await AgeOpener([IDENTITY]).open(target, None)


async def test_a_writer_that_fails_leaves_no_file(tmp_path: Path) -> None:
    sealer = AgeSealer([RECIPIENT])

    async def writes(target: Path, times: int, error: Exception | None) -> None:
        async with sealer.seal(target) as sealing:
            for _ in range(times):
                await sealing.sink.write(b"x" * 100_000)
            if error is not None:
                raise error

    with pytest.raises(ValueError, match="mine"):
        await writes(tmp_path / "x.age", 1, ValueError("mine"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BackupError, match="No such file"):
        await writes(tmp_path / "none" / "x.age", 1, None)
    (tmp_path / "full.age").symlink_to("/dev/full")  # of which the link alone is taken away
    with pytest.raises(BackupError, match="No space left on device"):
        await writes(tmp_path / "full.age", 200, None)


def test_keys_are_told_apart_from_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"backup\.recipients: expected public keys"):
        AgeSealer(["age1nonsense"])
    with pytest.raises(BackupError, match="at least one public key"):
        AgeSealer([])
    for text in ("", "AGE-SECRET-KEY-1NONSENSE", "# only a comment\n"):
        path = tmp_path / "key"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(WrongKey, match="identity: expected") as caught:
            AgeOpener.of_file(path)
        assert "NONSENSE" not in str(caught.value)
    with pytest.raises(WrongKey, match="none"):
        AgeOpener.of_file(tmp_path / "none")
    (tmp_path / "key").write_text(f"# created: today\n# public key: {RECIPIENT}\n{IDENTITY}\n", encoding="utf-8")
    AgeOpener.of_file(tmp_path / "key")
