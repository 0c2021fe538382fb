"""The cell panel: which layer's cell, at which place inside of which step."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from engine.requests import Excerpt
from engine.within import Within
from explorer.bindings.model import ModelBinding
from explorer.bindings.parts import Parts


class CellBinding(QObject):
    def __init__(self, parts: Parts, model: ModelBinding, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._cell = parts, parts.window.cell
        self._document, self._controller = parts.document, parts.controller
        self._cell.unitPicked.connect(model.pick_unit)
        self._cell.layerPicked.connect(self._pick_layer)
        self._cell.copied.connect(self._say_copied)

    # -- data down ----------------------------------------------------------------------------------------------------

    def show_excerpt(self, excerpt: Excerpt | None) -> None:
        self._cell.set_excerpt(excerpt)
        if excerpt is not None:
            self._cell.set_empty(False)
        decades = self._parts.window.stage.gradient_decades()
        if self._document.view.scales and decades is not None:
            self._cell.set_gradient_decades(*decades)

    def show_view(self, within: Within | None) -> None:
        self._cell.set_empty(bool(self._document.state.unfinished) and self._controller.excerpt is None)
        self._cell.set_position(self._document.view.position, within)

    # -- intent up ----------------------------------------------------------------------------------------------------

    @Slot(str)
    def _pick_layer(self, layer: str) -> None:
        self._document.look(layer=layer)

    def step_layer(self, count: int) -> None:
        """The cell of another layer, further from the input or nearer to it."""
        excerpt = self._controller.excerpt
        if excerpt is None:
            return
        names = list(excerpt.layers)
        place = names.index(self._document.view.layer or excerpt.layer) + count
        self._document.look(layer=names[min(max(0, place), len(names) - 1)])

    @Slot(str)
    def _say_copied(self, words: str) -> None:
        self._parts.say(words, 6000)
