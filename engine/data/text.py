"""A text from somebody's own file, and the task that predicts its next symbol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from numpy.typing import NDArray

from engine.data import store
from engine.data.cells import Reading, finished, within
from engine.data.checking import check
from engine.data.datasets import TextData
from engine.data.files import source_of
from engine.data.preview import Preview, TextPreview, reading_text, unchanged
from engine.data.series import PART_NAMES
from engine.data.symbols import (
    REST,
    Level,
    Symbols,
    counted,
    counting,
    most_frequent,
    numbering,
    renumbering,
    symbols_of,
)
from engine.data.windows import BATCH_SIZE, DEFAULT_SPLIT, STEPS, check_split, stretch
from engine.errors import DataError
from engine.parts import Part
from engine.task_checks import MAX_SYMBOLS
from engine.task_specs import Split, TextTask


@dataclass(frozen=True)
class TextChoices:
    level: Level = "character"
    most_symbols: int | None = None
    """At most so many different ones, the rest as one; None: all, up to 2,000 words or 50,000 characters."""
    steps: int = STEPS
    split: Split = DEFAULT_SPLIT
    order: Literal["shuffled", "stream"] = "shuffled"
    batch_size: int = BATCH_SIZE


DEFAULT = TextChoices()


def import_text(preview: Preview, choices: TextChoices = DEFAULT) -> TextTask:
    """Keep the text in the store, and the task that predicts its next symbol. The file is read again.

    Raises DataError, also where a part of the text is too short for one sequence.
    """
    return finished(importing_text(preview, choices))[0]


def importing_text(preview: Preview, choices: TextChoices) -> Reading[tuple[TextTask, Prepared]]:
    """The same piece by piece, and the text as the task sees it."""
    if not isinstance(preview, TextPreview):
        raise DataError(f"'{preview.name}' is looked at as a table or arrays; open it as a text to predict symbols.")
    check_split(choices.split)
    sha256, _, found = yield from within(reading_text(preview.path, preview.codec), 0.0, 0.2)
    unchanged(preview, sha256)
    most = choices.most_symbols or (MAX_SYMBOLS if choices.level == "character" else 2000)
    symbols = yield from within(numbering(found.pieces, choices.level), 0.2, 0.7)
    first, behind = stretch(len(symbols.numbers), choices.split, "train")
    counts = yield from within(counting(symbols.numbers[first:behind], len(symbols.names)), 0.7, 0.75)
    different = len(most_frequent(counts, MAX_SYMBOLS)) + 1
    task = TextTask(
        data="0" * 64,
        name=preview.name,
        level=choices.level,
        symbols=min(different, most),
        steps=choices.steps,
        split=choices.split,
        order=choices.order,
        batch_size=choices.batch_size,
    )
    if different < 3:
        raise DataError(
            f"The training part of '{preview.name}' holds {different - 1} different {choices.level}"
            f"{'' if different == 2 else 's'}; a text with two "
            "or more is needed to predict one from another."
        )
    check(task, lambda part: check_part(task, len(symbols.numbers), part))
    made = yield from within(_preparing(task, symbols, counts), 0.75, 0.8)
    digest = yield from within(store.putting_text(found.pieces), 0.8, 1.0)
    return msgspec.structs.replace(task, data=digest), made


@dataclass(frozen=True, eq=False)
class Prepared:
    """A text as its task sees it."""

    numbers: NDArray[Any]
    """(length,): 1 … for the most frequent symbols of the training part, 0 for every other one."""
    labels: tuple[str, ...]
    """(symbols,): what each number stands for."""
    parts: dict[Part, tuple[int, int]]
    """The first place of each part, and the one behind its last."""


def prepared(task: TextTask, data: TextData) -> Prepared:
    symbols = symbols_of(data.text, task.level)
    first, behind = stretch(len(symbols.numbers), task.split, "train")
    counts = counted(symbols.numbers[first:behind], len(symbols.names))
    return finished(_preparing(task, symbols, counts))


def _preparing(task: TextTask, symbols: Symbols, counts: NDArray[Any]) -> Reading[Prepared]:
    """`counts`: how often each symbol comes in the training part. What is held back has no say in which symbols have a
    number."""
    parts = {part: stretch(len(symbols.numbers), task.split, part) for part in PART_NAMES}
    kept = most_frequent(counts, task.symbols - 1)
    labels = [REST, *(symbols.names[at] for at in kept.tolist())]
    labels += [""] * (task.symbols - len(labels))
    return Prepared((yield from renumbering(symbols, kept)), tuple(labels), parts)


def check_part(task: TextTask, length: int, part: Part) -> None:
    """Raises DataError where a part of the text that is to be there holds no sequence and the symbol behind it."""
    source = source_of(task.name)
    first, behind = stretch(length, task.split, part)
    need = task.steps + 1
    if part == "train" and task.order == "stream":
        need = task.steps * task.batch_size + 1
    share = {"train": 1.0, "validation": task.split.validation, "test": 1 - task.split.train - task.split.validation}
    if behind - first < need and share[part] > 1e-9:
        or_none = "" if part == "train" else " or 0"
        what = f"a sequence of {task.steps:,} steps"
        if need > task.steps + 1:
            what = f"a stream of {task.batch_size:,} sequences of {task.steps:,} steps side by side"
        raise DataError(
            f"The {PART_NAMES[part]} part of {source} has {behind - first:,} {task.level}s, and {what} with the "
            f"next symbol takes {need:,}; take fewer steps, or make this part larger{or_none}."
        )
