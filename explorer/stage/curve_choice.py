"""The choice of curves of a norm track: a menu by layer, a tick for each that is shown."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from engine.quantities import STATES, Quantity, quantities
from engine.requests import Excerpt
from engine.spec import CellKind
from engine.tracks import MAX_CURVES, MAX_LENGTH, TrackSpec
from explorer.stage.tracks import words
from explorer.stage.tracks.norm_plot import chosen

Chosen = Callable[[QAction], None]


def add_to(menu: QMenu, track: TrackSpec, excerpt: Excerpt, taken: Chosen) -> None:
    """A submenu "Curves". `taken` gets the action that was triggered; its data is the track's new text."""
    curves = menu.addMenu("Cur&ves")
    curves.triggered.connect(taken)
    now = [str(part) for part in chosen(track, excerpt.layers)]
    read = excerpt.of().name
    for text, keys in (
        ("The states that the &read-out reads", _states(excerpt, (read,))),
        ("The states of &every layer", _states(excerpt, tuple(excerpt.layers))),
    ):
        entry = curves.addAction(text)
        entry.setData(str(having(track, keys, excerpt)))
        entry.setEnabled(len(keys) <= MAX_CURVES)
    curves.addSeparator()
    for layer in excerpt.layers.values():
        title = words.layer(layer).replace("layer", "Layer", 1) if len(excerpt.layers) > 1 else "&Quantities"
        of_layer = curves.addMenu(title)
        for kind in ("grads", "values"):
            for q in quantities(layer.cell, layer.layer_norm):
                part = TrackSpec(f"{kind}.{q.symbol}", layer.name)
                key = str(part)
                entry = of_layer.addAction(f"‖{words.symbol(part)}‖  {q.title}")
                entry.setCheckable(True)
                entry.setChecked(key in now)
                after = [one for one in now if one != key] if key in now else [*now, key]
                entry.setEnabled(1 <= len(after) <= MAX_CURVES)
                new = having(track, after, excerpt)
                entry.setData(str(new))
                if len(str(new)) > MAX_LENGTH:
                    entry.setEnabled(False)
            if kind == "grads":
                of_layer.addSeparator()


def having(track: TrackSpec, keys: list[str], excerpt: Excerpt) -> TrackSpec:
    """The track with these curves, in the order of the layers; without an option where they are its own choice."""
    order = [
        f"{name}.{kind}.{q.symbol}"
        for name, layer in excerpt.layers.items()
        for kind in ("grads", "values")
        for q in _states_first(layer.cell, layer.layer_norm)
    ]
    sorted_keys = sorted(keys, key=order.index)
    own = _states(excerpt, (excerpt.of().name,))
    return track.having(of=None if sorted_keys == sorted(own, key=order.index) else ",".join(sorted_keys))


def _states(excerpt: Excerpt, layers: tuple[str, ...]) -> list[str]:
    return [f"{name}.grads.{state}" for name in layers for state in STATES[excerpt.layers[name].cell]]


def _states_first(cell: CellKind, layer_norm: bool) -> list[Quantity]:
    states = STATES[cell]
    return sorted(
        quantities(cell, layer_norm), key=lambda q: states.index(q.symbol) if q.symbol in states else len(states)
    )
