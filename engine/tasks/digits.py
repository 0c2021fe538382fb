"""The handwritten digits that scikit-learn ships: 1,797 pictures of 8 × 8 pixels (Alpaydin & Kaynak 1998, the test part
of UCI's Optical Recognition of Handwritten Digits), read row by row, or pixel by pixel as Le, Jaitly & Hinton (2015)
read MNIST.

The file is read without importing scikit-learn, which takes a second and more. In its order, the first 1,257 pictures
are the training part (70 %), the next 270 the validation part and the last 270 the test part.
"""

from __future__ import annotations

import gzip
import zlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.errors import DataError
from engine.parts import Part
from engine.spec import DigitsTask, ModelSpec
from engine.tasks.batch import Batch
from engine.tasks.order import batch_of
from engine.tasks.part import Draw

COUNT, SIDE, DARKEST = 1797, 8, 16
PARTS: dict[Part, range] = {"train": range(1257), "validation": range(1257, 1527), "test": range(1527, COUNT)}
"""The pictures of each part, from 0 in the order of the file."""


def batch(task: DigitsTask, model: ModelSpec, draw: Draw) -> Batch:
    """x (8, B, 8), rows from the top, or (64, B, 1), each row from the left, float64: 0 is white and 1 is black. And
    targets (B,), the digits, int64. CPU.

    The training part is gone through in an order that the seed draws, then in another one, and so on; batch n of it has
    the pictures n·B … n·B + B − 1 of all these. Of a part held back each picture comes once, in the order of the file,
    B or nearly B at once. Raises DataError where there are no digits.
    """
    pictures, digits = data(_file())
    chosen = torch.from_numpy(PARTS[draw.part].start + batch_of(len(PARTS[draw.part]), task.batch_size, draw, "digits"))
    x = pictures[chosen].view(len(chosen), task.steps, -1)
    return Batch(x.transpose(0, 1).contiguous(), digits[chosen])


def _file() -> Path:
    """Raises DataError where scikit-learn is not installed."""
    found = find_spec("sklearn")
    for folder in () if found is None else found.submodule_search_locations or ():
        if (path := Path(folder) / "datasets" / "data" / "digits.csv.gz").is_file():
            return path
    raise DataError(
        "The handwritten digits come with scikit-learn, which is not installed here; 'pip install scikit-learn' brings "
        "them."
    )


@cache
def data(path: Path) -> tuple[Tensor, Tensor]:
    """The pictures (1797, 64) from 0 to 1, float64, and the digits (1797,), int64. Raises DataError where the file is
    not what it should be."""
    try:
        with gzip.open(path, "rt", encoding="ascii") as lines:
            table = np.array([[int(number) for number in line.split(",")] for line in lines])
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"The digits {path} cannot be read ({error}).") from None
    if table.shape != (COUNT, SIDE**2 + 1) or table.min() < 0 or table.max() > DARKEST or table[:, -1].max() > 9:
        raise DataError(
            f"The digits {path} do not hold {COUNT:,} lines of {SIDE**2} pixels from 0 to {DARKEST} and a digit."
        )
    return torch.from_numpy(table[:, :-1] / DARKEST), torch.from_numpy(table[:, -1].astype(np.int64))
