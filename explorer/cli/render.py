"""`gradflow render`: a picture of the window at one moment, without a display."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Literal, TypeAlias

from engine import atomic
from explorer.cli.open import opening_of
from explorer.cli.output import checked_output
from explorer.cli.target import Target, UsageError
from explorer.theme.tokens import ThemeName

SMALLEST, LARGEST = (700, 450), (7680, 4320)
NARROWEST = (512, 320)
"""At 100 %: the window itself gets no smaller."""


Tab: TypeAlias = Literal["", "training", "evaluation"]


def render(
    target: Target, output: Path, at: str | None, size: str, theme: ThemeName, scale: int = 100, drawer: Tab = ""
) -> int:
    """Everything that can be wrong is looked at before anything is computed."""
    width_and_height = parsed_size(size, scale)
    if target.is_data:
        raise target.refused()
    if at is not None:
        target.tape.parse(at)
    checked_output(output, ".png")
    from explorer.render import render_to_file

    with atomic.replacing(output) as temporary:
        render_to_file(opening_of(target), temporary, at, width_and_height, theme, scale, drawer)
    return 0


def parsed_size(text: str, scale: int = 100) -> tuple[int, int]:
    """ "1600x1000" → (1600, 1000). Raises UsageError, also where a window of that scale does not fit in."""
    match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text.strip().lower(), re.ASCII)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(low <= n <= high for low, n, high in zip(SMALLEST, size, LARGEST, strict=True)):
        raise UsageError(f"The size '{text[:40]}' is not understood; from 700x450 to 7680x4320 is accepted.")
    needed = tuple(math.ceil(length * scale / 100) for length in NARROWEST)
    if size[0] < needed[0] or size[1] < needed[1]:
        raise UsageError(
            f"A window at {scale} % needs a size of {needed[0]}x{needed[1]} at least; '{text}' was asked for."
        )
    return size
