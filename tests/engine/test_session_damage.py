"""A stranger's or a damaged file: refused with one sentence, or opened with the identical content. Nothing else."""

from __future__ import annotations

import json
import os
import random
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved_sessions import assert_same, small_session

from engine import container, session, tensorfile, zipframe
from engine.errors import SessionError
from engine.session import Session

Members = dict[str, bytes]
MANIFEST, DESCRIPTION, TENSORS = zipframe.MEMBERS


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "a.gflow"
    session.save(small_session(), path)
    return path.read_bytes()


@pytest.fixture
def members(saved: bytes, tmp_path: Path) -> Members:
    (tmp_path / "saved.gflow").write_bytes(saved)
    with zipfile.ZipFile(tmp_path / "saved.gflow") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def refused(path: Path, data: bytes) -> str:
    """The sentence with which a file is refused."""
    path.write_bytes(data)
    with pytest.raises(SessionError) as caught:
        session.load(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert path.name in sentence
    return sentence


def opened(path: Path) -> Session | None:
    """The session, or None where it was refused with one sentence."""
    try:
        return session.load(path)
    except SessionError as error:
        sentence = str(error)
    assert "\n" not in sentence
    return None


def rebuilt(members: Members, **changed: bytes) -> bytes:
    """The file with other members, its manifest brought up to date."""
    new = {**members, **changed}
    manifest = json.loads(new[MANIFEST])
    for name in (DESCRIPTION, TENSORS):
        manifest["members"][name] = {"bytes": len(new[name]), "sha256": sha256(new[name]).hexdigest()}
    return b"".join(zipframe.framed((json.dumps(manifest).encode(), new[DESCRIPTION], new[TENSORS])))


def with_manifest(members: Members, change: Callable[[dict[str, Any]], None]) -> bytes:
    manifest = json.loads(members[MANIFEST])
    change(manifest)
    return b"".join(zipframe.framed((json.dumps(manifest).encode(), members[DESCRIPTION], members[TENSORS])))


def tensors_with(members: Members, header: bytes, body: bytes) -> bytes:
    return rebuilt(members, **{TENSORS: struct.pack("<Q", len(header)) + header + body})


def test_other_programs_see_a_plain_zip_of_stored_members(saved: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.gflow").write_bytes(saved)
    with zipfile.ZipFile(tmp_path / "a.gflow") as archive:
        assert archive.namelist() == ["manifest.json", "session.json", "tensors.safetensors"]
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_truncations_and_bit_flips_are_refused_or_change_nothing(saved: bytes, tmp_path: Path) -> None:
    draw = random.Random(2024)
    for number in range(500):
        data = bytearray(saved)
        if number % 2:
            del data[draw.randrange(len(data)) :]
        else:
            for _ in range(draw.randint(1, 3)):
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path = tmp_path / "damaged.gflow"
        path.write_bytes(data)
        found = opened(path)
        if found is not None:
            assert_same(small_session(), found)


def test_mutations_behind_valid_checksums_raise_nothing_but_session_errors(members: Members, tmp_path: Path) -> None:
    draw = random.Random(7)
    path = tmp_path / "fuzzed.gflow"
    count = 0
    for _ in range(2000):
        name = draw.choice((MANIFEST, DESCRIPTION, TENSORS))
        mutated = mutate(members[name], draw)
        if name == MANIFEST:
            data = b"".join(zipframe.framed((mutated, members[DESCRIPTION], members[TENSORS])))
        else:
            data = rebuilt(members, **{name: mutated})
        path.write_bytes(data)
        count += opened(path) is not None
    assert count > 0, "every mutation was refused: the fuzz did not get past the first check"


def mutate(data: bytes, draw: random.Random) -> bytes:
    text = bytearray(data)
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(text))
        match draw.randrange(6):
            case 0:
                text[at] = draw.randrange(256)
            case 1:
                del text[at : at + draw.randint(1, 20)]
            case 2:
                text[at:at] = draw.choice(TOKENS)
            case 3:
                end = at + draw.randint(1, 40)
                text[at:at] = text[at:end]
            case 4:
                numbers = [i for i, c in enumerate(text[:4000]) if chr(c).isdigit()]
                if numbers:
                    text[draw.choice(numbers)] = ord(draw.choice("0123456789-.e"))
            case 5:
                text[at : at + 1] = draw.choice(TOKENS)
        text = text or bytearray(b" ")
    return bytes(text)


TOKENS = (
    b'"', b"{", b"[", b"]", b"}", b",", b":", b"null", b"true", b"NaN", b"1e999", b"-1", b"9" * 30, b"9" * 5000,
    b'"\\ud800"', b"\\u202e", b"\x00", b"\xff", b"[" * 40, b'{"a":' * 40, b'"dtype":"F64"', b'"shape":[1099511627775]',
)  # fmt: skip


def test_a_compressed_or_repacked_zip_is_refused(members: Members, tmp_path: Path) -> None:
    for compression in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        path = tmp_path / "packed.gflow"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
            archive.writestr("more.txt", b"") if compression == zipfile.ZIP_STORED else None
        with pytest.raises(SessionError):
            session.load(path)


def test_a_name_twice_or_another_name_is_refused(saved: bytes, tmp_path: Path) -> None:
    for name in (b"manifest.json", b"../../../a.js"):
        other = saved.replace(b"session.json", name[:12])
        assert other != saved
        refused(tmp_path / "a.gflow", other)


def test_bytes_before_between_or_after_are_refused(saved: bytes, tmp_path: Path) -> None:
    for data in (b"x" + saved, saved + b"x", saved[:100] + b"x" + saved[100:], b"", b"PK", saved[:-22]):
        refused(tmp_path / "a.gflow", data)


def test_content_that_does_not_match_its_checksum_is_refused(members: Members, tmp_path: Path) -> None:
    swapped = members[TENSORS][:-1] + bytes([members[TENSORS][-1] ^ 1])
    data = b"".join(zipframe.framed((members[MANIFEST], members[DESCRIPTION], swapped)))
    assert zlib.crc32(swapped) != zlib.crc32(members[TENSORS])
    assert "checksum" in refused(tmp_path / "a.gflow", data)


def test_a_newer_major_version_is_refused_politely(members: Members, tmp_path: Path) -> None:
    data = with_manifest(members, lambda m: m.update(version="2.0", something="new"))
    assert "newer Gradient Flow Explorer (format 2.0" in refused(tmp_path / "a.gflow", data)


def test_a_file_of_a_newer_major_version_is_never_overwritten(members: Members, tmp_path: Path) -> None:
    path = tmp_path / "a.gflow"
    data = with_manifest(members, lambda m: m.update(version="2.0"))
    path.write_bytes(data)
    with pytest.raises(SessionError, match="not overwritten"):
        session.save(small_session(), path)
    assert path.read_bytes() == data
    assert list(tmp_path.glob("a*")) == [path]


def test_a_newer_minor_version_opens_without_what_it_added(members: Members, tmp_path: Path) -> None:
    described = {**json.loads(members[DESCRIPTION]), "bookmarks": [1, 2]}
    tensors = {**tensorfile.from_bytes(memoryview(members[TENSORS])), "marks/0": np.zeros(2)}
    newer = {**members, DESCRIPTION: json.dumps(described).encode(), TENSORS: tensorfile.to_bytes(tensors)}
    manifest = {**json.loads(members[MANIFEST]), "version": "1.9"}
    path = tmp_path / "a.gflow"
    path.write_bytes(rebuilt({**newer, MANIFEST: json.dumps(manifest).encode()}))
    found = session.load(path)
    assert_same(small_session(), found)
    assert "format 1.9; this one knows 1.1" in found.newer
    assert "bookmarks" in refused(path, rebuilt(newer)), "this version knows no such field"
    del described["bookmarks"]
    newer[DESCRIPTION] = json.dumps(described).encode()
    assert "marks/0" in refused(path, rebuilt(newer)), "nor such a tensor"


@pytest.mark.parametrize("version", ["", "1", "x.y", "0.9", "-1.0", "1.0.0", "1.0" * 9, "１.0", None, 1.0, []])
def test_a_version_that_is_none_is_refused(members: Members, tmp_path: Path, version: object) -> None:
    refused(tmp_path / "a.gflow", with_manifest(members, lambda m: m.update(version=version)))


def test_a_key_twice_is_refused_everywhere(members: Members, tmp_path: Path) -> None:
    path = tmp_path / "a.gflow"
    twice = members[DESCRIPTION].replace(b'{"experiment"', b'{"iteration":0,"experiment"', 1)
    assert "twice" in refused(path, rebuilt(members, **{DESCRIPTION: twice}))
    entry = b'"fingerprint/grads.h":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}'
    assert "twice" in refused(path, tensors_with(members, b"{" + entry + b"," + entry + b"}", bytes(8)))


def test_json_that_is_nested_too_deep_is_refused(members: Members, tmp_path: Path) -> None:
    for depth in (17, 100_000):
        deep = b"[" * depth + b"]" * depth
        assert "nested" in refused(tmp_path / "a.gflow", rebuilt(members, **{DESCRIPTION: deep}))


@pytest.mark.parametrize(
    ("shape", "offsets", "dtype"),
    [
        ([2**39, 2**39], [0, 8], "F64"),
        ([1], [0, 2**60], "F64"),
        ([1], [-8, 0], "F64"),
        ([-1], [0, 8], "F64"),
        ([2], [0, 8], "F64"),
        ([1] * 7, [0, 8], "F64"),
        ([1], [0, 8], "F128"),
        ([1], [0, 8], "BOOL"),
        ([1.0], [0, 8], "F64"),
        ([True], [0, 8], "F64"),
        ([1], [0], "F64"),
        ([0], [0, 0], "F64"),
    ],
)
def test_tensors_that_are_not_where_their_shape_says_are_refused(
    members: Members, tmp_path: Path, shape: list[int], offsets: list[int], dtype: str
) -> None:
    header = json.dumps({"fingerprint/grads.h": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}).encode()
    refused(tmp_path / "a.gflow", tensors_with(members, header, bytes(8)))


def test_a_header_that_claims_a_huge_length_allocates_nothing(members: Members, tmp_path: Path) -> None:
    path = tmp_path / "a.gflow"
    path.write_bytes(rebuilt(members, **{TENSORS: struct.pack("<Q", 2**62) + b"{}"}))
    tracemalloc.start()
    with pytest.raises(SessionError):
        session.load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("size", [64 * 2**20, 2**31])
def test_a_file_that_is_too_large_is_refused_before_it_is_read(saved: bytes, tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.gflow"
    path.write_bytes(saved)
    os.truncate(path, size)  # sparse: it takes no space
    tracemalloc.start()
    with pytest.raises(SessionError):
        session.load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_a_session_larger_than_a_session_may_be_is_refused(
    members: Members, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(container.MAX_FILE_BYTES, "session", 64 * 2**20)
    big = struct.pack("<Q", 2) + b"{}" + bytes(64 * 2**20)
    assert "64.0 MiB" in refused(tmp_path / "a.gflow", rebuilt(members, **{TENSORS: big}))


def strange_paths(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    yield tmp_path / "missing.gflow", "There is no file"
    yield tmp_path, "folder"
    yield Path("a\0b.gflow"), "cannot be read"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.gflow")
        yield tmp_path / "pipe.gflow", "no ordinary file"


def test_what_is_no_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    for path, words in strange_paths(tmp_path):
        for read in (session.load, container.probe):
            with pytest.raises(SessionError, match=words):
                read(path)


def test_a_changed_file_is_told_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.gflow"
    first = session.save(small_session(), path)
    assert container.probe(path).sha256 == first
    session.load(path, first)
    with pytest.raises(SessionError, match="has changed"):
        session.load(path, "0" * 64)


def test_what_was_read_cannot_be_written_to(saved: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.gflow").write_bytes(saved)
    weights = session.load(tmp_path / "a.gflow").history[0]["weight_hh_l0"]
    with pytest.raises(ValueError, match="read-only"):
        weights[0] = np.float32(1)
