"""The handwritten digits: read from the file that scikit-learn ships, split once and for all, gone through in an order
that the seed draws."""

from __future__ import annotations

import gzip
import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from spec_data import one_sentence

from engine import tasks
from engine.errors import DataError
from engine.parts import Part
from engine.spec import DigitsTask, ModelSpec
from engine.tasks import Batch, baseline, digits, own

MODEL = ModelSpec(layers=(), loss="cross_entropy")
SIZES: dict[Part, int] = {"train": 1257, "validation": 270, "test": 270}


def line(number: int) -> list[int]:
    """A made-up picture that tells which it is by its first pixels, and a digit."""
    return [
        number // 256,
        number // 16 % 16,
        number % 16,
        *[(number + pixel) % 17 for pixel in range(3, 64)],
        number % 10,
    ]


LINES = [",".join(map(str, line(number))) for number in range(1797)]


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Path]:
    """Puts a file where scikit-learn has its digits, in a package that cannot be imported."""
    folder = tmp_path / "sklearn" / "datasets" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "sklearn" / "__init__.py").write_text("raise RuntimeError('nobody needs all of it')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "sklearn", raising=False)  # another test may have read the real one

    def pack(content: bytes) -> Path:
        (folder / "digits.csv.gz").write_bytes(content)
        return folder / "digits.csv.gz"

    return pack


@pytest.fixture
def made_up(packed: Callable[[bytes], Path]) -> Path:
    return packed(gzip.compress("\n".join(LINES).encode() + b"\n"))


def numbers(batch: Batch) -> list[int]:
    """Which pictures a batch has, by their first pixels."""
    first = (batch.x.transpose(0, 1).flatten(1)[:, :3] * 16).long()
    return (first @ torch.tensor([256, 16, 1])).tolist()


def batches(task: DigitsTask, part: Part, count: int, seed: int = 0) -> list[int]:
    return [one for number in range(count) for one in numbers(tasks.batch(task, MODEL, seed, number, part=part))]


def test_a_picture_is_read_row_by_row_or_pixel_by_pixel_from_white_0_to_black_1(made_up: Path) -> None:
    rows = tasks.batch(DigitsTask(by="row", batch_size=40), MODEL, 0, 3)
    pixels = tasks.batch(DigitsTask(by="pixel", batch_size=40), MODEL, 0, 3)
    assert rows.x.shape == (8, 40, 8)
    assert pixels.x.shape == (64, 40, 1)
    assert rows.lengths is pixels.lengths is None
    assert numbers(rows) == numbers(pixels)
    for b, number in enumerate(numbers(rows)):
        *expected, digit = line(number)
        assert [16 * value for value in rows.x[:, b].flatten().tolist()] == expected
        assert [16 * value for value in pixels.x[:, b, 0].tolist()] == expected
        assert int(rows.targets[b]) == int(pixels.targets[b]) == digit
    assert rows.targets.dtype == torch.int64
    single = tasks.batch(DigitsTask(batch_size=40), MODEL, 0, 3, torch.float32)
    assert torch.equal(single.x.double(), rows.x), "sixteenths are exact in every type"


@pytest.mark.parametrize("part", SIZES)
def test_the_parts_are_the_first_70_percent_and_two_of_15_in_the_order_of_the_file(part: Part, made_up: Path) -> None:
    first = {"train": 0, "validation": 1257, "test": 1257 + 270}[part]
    found = batches(DigitsTask(batch_size=SIZES[part]), part, 1)
    assert sorted(found) == list(range(first, first + SIZES[part]))
    assert (found != sorted(found)) == (part == "train"), "what is held back comes in the order of the file"
    assert SIZES[part] / 1797 == pytest.approx({"train": 0.7, "validation": 0.15, "test": 0.15}[part], abs=1 / 1797)
    assert sum(SIZES.values()) == 1797


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("batch_size", [1, 32, 100, 270, 4096])
def test_what_is_held_back_is_judged_once_each_picture(batch_size: int, part: Part, made_up: Path) -> None:
    task = DigitsTask(batch_size=batch_size)
    count = own.batches(task, MODEL, part)
    assert count == math.ceil(270 / batch_size)
    found = batches(task, part, count)
    assert sorted(found) == found
    assert len(set(found)) == 270
    assert batches(task, part, 2 * count) == 2 * found, "and then again"


@pytest.mark.parametrize("batch_size", [1, 32, 100, 1000, 4096])
def test_every_pass_through_the_training_part_shows_each_picture_once_whatever_the_batch_size(
    batch_size: int, made_up: Path
) -> None:
    part: Part = "train"
    size = SIZES[part]
    found = batches(DigitsTask(batch_size=batch_size), part, math.ceil(2 * size / batch_size))
    first, second = found[:size], found[size : 2 * size]
    assert len(set(first)) == len(set(second)) == size
    assert set(first) == set(second)
    assert first != second
    whole = batches(DigitsTask(batch_size=size), part, 2)
    assert found[: 2 * size] == whole, "one order, cut into batches"


def test_a_batch_is_a_function_of_seed_and_iteration_alone(made_up: Path) -> None:
    task = DigitsTask(batch_size=50)
    late = tasks.batch(task, MODEL, 5, 1_000_000)
    tasks.batch(task, MODEL, 5, 0)
    torch.rand(3)
    again = tasks.batch(task, MODEL, 5, 1_000_000)
    assert torch.equal(late.x, again.x)
    assert torch.equal(late.targets, again.targets)
    with torch.device("meta"):
        assert torch.equal(late.x, tasks.batch(task, MODEL, 5, 1_000_000).x)
    assert numbers(late) != numbers(tasks.batch(task, MODEL, 6, 1_000_000))


def test_without_scikit_learn_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    with pytest.raises(
        DataError, match="scikit-learn, which is not installed here; 'pip install scikit-learn'"
    ) as told:
        tasks.batch(DigitsTask(), MODEL, 0, 0)
    assert one_sentence(str(told.value))


def test_a_scikit_learn_without_the_file_is_none(packed: Callable[[bytes], Path]) -> None:
    with pytest.raises(DataError, match="pip install scikit-learn"):
        tasks.batch(DigitsTask(), MODEL, 0, 0)


WHOLE = gzip.compress("\n".join(LINES).encode())
BROKEN = {
    "empty": b"",
    "no lines": gzip.compress(b""),
    "not packed": "\n".join(LINES).encode(),
    "cut off": WHOLE[: len(WHOLE) // 2],
    "changed": WHOLE[:100] + bytes(20) + WHOLE[120:],
    "a line too few": gzip.compress("\n".join(LINES[:-1]).encode()),
    "a line too many": gzip.compress("\n".join([*LINES, LINES[0]]).encode()),
    "a number too few": gzip.compress("\n".join([LINES[0][2:], *LINES[1:]]).encode()),
    "a number too few everywhere": gzip.compress("\n".join(one[2:] for one in LINES).encode()),
    "no number": gzip.compress("\n".join(["x" + LINES[0][1:], *LINES[1:]]).encode()),
    "a gap": gzip.compress("\n".join(["," + LINES[0][2:], *LINES[1:]]).encode()),
    "too dark": gzip.compress("\n".join(["17" + LINES[0][1:], *LINES[1:]]).encode()),
    "below white": gzip.compress("\n".join(["-1" + LINES[0][1:], *LINES[1:]]).encode()),
    "no digit": gzip.compress("\n".join([LINES[0][:-1] + "10", *LINES[1:]]).encode()),
    "a huge number": gzip.compress("\n".join(["9" * 30 + LINES[0][1:], *LINES[1:]]).encode()),
    "no text": gzip.compress("é".encode()),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_not_what_it_should_be_is_refused_in_one_sentence(
    content: bytes, packed: Callable[[bytes], Path]
) -> None:
    path = packed(content)
    with pytest.raises(
        DataError, match=r"^The digits .*digits\.csv\.gz (cannot be read|do not hold 1,797 lines) ?"
    ) as told:
        tasks.batch(DigitsTask(), MODEL, 0, 0)
    assert one_sentence(str(told.value).replace(str(path), "PATH"))


def test_the_shipped_digits_are_those_of_the_uci_repository() -> None:
    """The test part of Optical Recognition of Handwritten Digits: its optdigits.names gives the number of pictures of
    each digit. Needs scikit-learn, which is among the development extras."""
    pictures, labels = digits.data(digits._file())
    assert pictures.shape == (1797, 64)
    assert torch.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert torch.equal(pictures * 16, (pictures * 16).round())
    assert float(pictures.min()) == 0.0
    assert float(pictures.max()) == 1.0
    assert labels[:10].tolist() == list(range(10))
    first = ["  5D91  ", "  DFAF5 ", " 3F2 B8 ", " 4C  88 ", " 58  98 ", " 4B 1C7 ", " 2E5AC  ", "  6DA   "]  # a 0
    shown = ["".join(" 123456789ABCDEFG"[int(16 * pixel)] for pixel in row) for row in pictures[0].view(8, 8).tolist()]
    assert shown == first
    for part in digits.PARTS.values():
        shares = torch.bincount(labels[part.start : part.stop], minlength=10).double() / len(part)
        entropy = -float(torch.special.xlogy(shares, shares).sum())
        assert entropy == pytest.approx(baseline(DigitsTask(), MODEL), abs=0.002), "each digit is nearly as frequent"
