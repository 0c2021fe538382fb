"""What is analysed: the trace on screen."""

from __future__ import annotations

from dataclasses import dataclass

from engine.parameters import places
from engine.quantities import CELL_TITLES, layer_words
from engine.requests import Excerpt, Source
from engine.spec import CellKind, Experiment


@dataclass(frozen=True)
class LayerName:
    key: str
    """ "l0", "l1_reverse"."""
    words: str
    """ "layer 1 · LSTM ←"."""
    cell: CellKind
    state_size: int
    """H, or 2H for the LSTM: the size of a step's Jacobian."""


@dataclass(frozen=True, eq=False)
class Subject:
    trace: int
    """Another number is another trace."""
    source: Source
    layers: tuple[LayerName, ...]
    """From the input to the read-out. Of a recorded trace: the last one alone."""
    steps: int
    batch_size: int
    sample: int
    dtype: str
    truncated: bool = False
    """Whether the gradients on the stage are those of truncated BPTT."""
    layer: str = ""
    """The one whose cell is looked at."""


def subject_of(trace: int, source: Source, experiment: Experiment | None, excerpt: Excerpt) -> Subject:
    """`experiment` None: a recorded trace."""
    if experiment is None:
        title = CELL_TITLES[excerpt.cell]
        layers: tuple[LayerName, ...] = (LayerName("", title, excerpt.cell, _size(excerpt.cell, excerpt.hidden_size)),)
    else:
        layers = tuple(
            LayerName(
                place.name,
                layer_words(place.name, place.spec.cell),
                place.spec.cell,
                _size(place.spec.cell, place.spec.hidden_size),
            )
            for place in places(experiment)
        )
    return Subject(
        trace,
        source,
        layers,
        excerpt.steps,
        excerpt.batch_size,
        excerpt.sample,
        excerpt.dtype,
        excerpt.truncation is not None,
        excerpt.layer,
    )


def _size(cell: CellKind, units: int) -> int:
    return 2 * units if cell == "lstm" else units
