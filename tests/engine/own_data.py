"""Helpers for the tests of own data: files, the way that a person goes with them, and what a sentence must be."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.data import (
    SequencesChoices,
    SeriesChoices,
    TextChoices,
    TextPreview,
    import_sequences,
    import_series,
    import_text,
    look_at,
)
from engine.errors import DataError
from engine.spec import ModelSpec, OwnTask, ReadoutSpec, Split


def model(loss: Any = "mse", at: Any = "last") -> ModelSpec:
    return ModelSpec(layers=(), readout=ReadoutSpec(at=at), loss=loss)


ALL = Split(train=1.0, validation=0.0)


def opened(path: Path, choices: SeriesChoices | SequencesChoices | TextChoices | None = None) -> OwnTask:
    """What a person does with a file: look at it, and take it with what is chosen."""
    preview = look_at(path)
    if isinstance(choices, TextChoices) or (choices is None and isinstance(preview, TextPreview)):
        return import_text(preview, choices or TextChoices(steps=2, split=ALL, batch_size=1))
    if isinstance(choices, SequencesChoices):
        return import_sequences(preview, choices)
    return import_series(preview, choices or SeriesChoices(steps=2, split=ALL))


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def is_one_sentence(text: str) -> bool:
    """One line with one full stop at its end; those inside of numbers, names and signs do not count."""
    inside = re.sub(r"'[^']*'|\([^)]*\)", "", text[:-1])
    return text.endswith(".") and "\n" not in text and ". " not in inside and text[0].isprintable() and len(text) < 500


def only_sentences(act: Callable[[], object]) -> None:
    try:
        act()
    except DataError as error:
        assert is_one_sentence(str(error)), error  # noqa: PT017
