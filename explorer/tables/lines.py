"""Rows as lines of comma-separated text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any


def csv_lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """In UTF-8."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()
