"""What was found in a file, in words."""

from __future__ import annotations

from engine.data.preview import ArraysPreview, Column, Preview, TablePreview
from engine.data.windows import stretch
from engine.parts import Part
from engine.plaintext import shortened
from engine.task_specs import Split
from explorer.dock.fields import plain

KINDS = {"number": "number", "date": "date", "text": "text", "empty": "empty"}
PARTS: tuple[tuple[Part, str], ...] = (("train", "training"), ("validation", "validation"), ("test", "test"))


def size_words(size: int) -> str:
    """ "812 bytes", "1.2 MB"."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1e3:.0f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"


def found_words(preview: Preview) -> str:
    """Everything that was detected, in one line."""
    said = [size_words(preview.size)]
    if isinstance(preview, TablePreview):
        said += [_rows(preview), *preview.detected]
    elif isinstance(preview, ArraysPreview):
        said.append(preview.says)
    else:
        ends = {"\n": "lines end as on Unix", "\r\n": "lines end as on Windows", "\r": "lines end as on old Macs"}
        said += [
            f"the text is {preview.encoding}",
            ends.get(preview.line_ends, "lines end in different ways"),
            f"{preview.lines:,} {'line' if preview.lines == 1 else 'lines'}",
            f"{preview.characters:,} characters, {preview.different_characters:,} different",
            f"{preview.words:,} words and signs, {preview.different_words:,} different",
        ]
    return " · ".join(said)


def _rows(preview: TablePreview) -> str:
    rows, columns = preview.rows, len(preview.columns)
    return f"{rows:,} {'row' if rows == 1 else 'rows'} of {columns:,} {'column' if columns == 1 else 'columns'}"


def kind_words(column: Column) -> str:
    """Below its name: "number · 3 missing"."""
    said = [KINDS[column.kind], *([column.unit] if column.unit else [])]
    if column.problem:
        said.append("does not fit")
    if column.missing and column.kind != "empty":
        said.append(f"{column.missing:,} missing")
    if column.rising and column.kind == "date":
        said.append("rising")
    elif column.falls and column.kind == "date":
        said.append("newest first")
    elif column.unordered is not None:
        said.append("in no order")
    return " · ".join(said)


def column_tip(column: Column) -> str:
    """All that is known of it."""
    said = [column.name, kind_words(column)]
    if column.low is not None and column.high is not None:
        said.append(f"from {plain(float(f'{column.low:.6g}'))} to {plain(float(f'{column.high:.6g}'))}")
    if column.different is not None:
        said.append(f"{column.different:,} different {'text' if column.different == 1 else 'texts'}")
    if column.first_missing is not None:
        said.append(f"the first one is missing in line {column.first_missing:,}")
    if column.jumps:
        said.append(f"{column.jumps:,} jumps, the first before line {column.first_jump or 0:,}")
    if column.problem:
        said.append(column.problem)
    return "\n".join(said)


def noted(preview: Preview) -> list[str]:
    """What a person had better read before it is used: what could be otherwise."""
    if not isinstance(preview, TablePreview):
        return []
    return [f"{note[:1].upper()}{note[1:]}." for note in preview.notes]


def missing_words(column: Column, of_table: bool = True) -> str:
    """Rows of arrays are counted from 0, lines of a file from 1."""
    first = column.first_missing or 0
    where = f"line {first:,}" if of_table else f"row {first:,} (from 0)"
    return f"{column.name}: {column.missing:,} missing, the first in {where}"


def parts_words(count: int, split: Split, what: str) -> str:
    """How many rows, symbols or sequences each part has, a line each: "Training: 700 rows"."""
    said: list[str] = []
    for part, word in PARTS:
        first, behind = stretch(count, split, part)
        said.append(f"{word.capitalize()}: {behind - first:,} {what}")
    return "\n".join(said)


def short(name: str) -> str:
    return shortened(name, 26)
