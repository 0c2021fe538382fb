"""What adding, moving, duplicating and deleting a layer makes of an experiment. Plain functions on frozen data."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from engine.quantities import CELL_TITLES
from engine.spec import MAX_LAYERS, CellKind, Experiment, LayerSpec
from explorer.document.what_ifs import Places

ARTICLES = {"rnn": "an", "lstm": "an", "gru": "a"}


@dataclass(frozen=True)
class Assembly:
    """The experiment after it, in words for the undo menu, and where each layer has gone."""

    experiment: Experiment
    words: str
    places: Places
    """Old place → new place, from 0; a deleted layer is missing."""
    chosen: int | None = None
    """The layer that it is about, in its new place."""


def is_full(experiment: Experiment) -> bool:
    return len(experiment.model.layers) >= MAX_LAYERS


def added(experiment: Experiment, cell: CellKind) -> Assembly:
    """One more layer on top, as wide as the one that was there."""
    layers = experiment.model.layers
    layer = LayerSpec(cell=cell) if not layers else LayerSpec(cell=cell, hidden_size=layers[-1].hidden_size)
    places = {number: number for number in range(len(layers))}
    words = f"adding {ARTICLES[cell]} {CELL_TITLES[cell]} layer"
    return Assembly(_with(experiment, (*layers, layer)), words, places, len(layers))


def moved(experiment: Experiment, layer: int, place: int) -> Assembly:
    order = [number for number in range(len(experiment.model.layers)) if number != layer]
    order.insert(place, layer)
    layers = tuple(experiment.model.layers[number] for number in order)
    words = f"moving the {CELL_TITLES[layers[place].cell]} layer {'up' if place > layer else 'down'}"
    return Assembly(_with(experiment, layers), words, {old: new for new, old in enumerate(order)}, place)


def duplicated(experiment: Experiment, layer: int) -> Assembly:
    """The same once more, above it."""
    layers = experiment.model.layers
    after = (*layers[: layer + 1], layers[layer], *layers[layer + 1 :])
    places = {number: number + (number > layer) for number in range(len(layers))}
    words = f"duplicating the {CELL_TITLES[layers[layer].cell]} layer"
    return Assembly(_with(experiment, after), words, places, layer + 1)


def deleted(experiment: Experiment, layer: int) -> Assembly:
    layers = experiment.model.layers
    after = layers[:layer] + layers[layer + 1 :]
    places = {number: number - (number > layer) for number in range(len(layers)) if number != layer}
    words = f"deleting the {CELL_TITLES[layers[layer].cell]} layer"
    return Assembly(_with(experiment, after), words, places, min(layer, len(after) - 1) if after else None)


def _with(experiment: Experiment, layers: tuple[LayerSpec, ...]) -> Experiment:
    return replace(experiment, model=replace(experiment.model, layers=layers))
