"""Somebody's own data: looked at, imported, and kept under their hash. Numpy, no torch.

    preview = look_at("prices.csv")
    task = import_series(preview, SeriesChoices(target="close", steps=60))

Every error is a DataError of one sentence with line and column, and what to change.
"""

from __future__ import annotations

from engine.data.preview import ArraysPreview as ArraysPreview
from engine.data.preview import Column as Column
from engine.data.preview import Preview as Preview
from engine.data.preview import TablePreview as TablePreview
from engine.data.preview import TextPreview as TextPreview
from engine.data.preview import look_at as look_at
from engine.data.sequence_reading import SequencesChoices as SequencesChoices
from engine.data.sequences import import_sequences as import_sequences
from engine.data.series import SeriesChoices as SeriesChoices
from engine.data.series import import_series as import_series
from engine.data.table import TableOptions as TableOptions
from engine.data.text import TextChoices as TextChoices
from engine.data.text import import_text as import_text
from engine.task_specs import Split as Split
