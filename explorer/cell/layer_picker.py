"""Chooses whose cell the panel shows: a layer of the stack, in one direction."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QComboBox, QSizePolicy, QWidget

from engine.quantities import layer_words
from engine.requests import ShownLayer
from explorer.theme.tokens import TIGHT


class LayerPicker(QComboBox):
    """ "layer 2 · LSTM ←". Gone where there is one layer only."""

    picked = Signal(str)
    """The user wants the layer of this name: "l1_reverse"."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Layer whose cell is shown")
        self.setToolTip("Layer whose cell is shown; ← runs from the last step to the first")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.setStyleSheet(f"padding: 2px {TIGHT}px;")  # the panel may be narrow
        self.activated.connect(self._activated)
        self._names: tuple[str, ...] = ()
        self.hide()

    def set_layers(self, layers: Mapping[str, ShownLayer], current: str) -> None:
        """Show what there is to choose from and what is shown; asks for nothing."""
        entries = [(name, title_of(layer)) for name, layer in layers.items()]
        with QSignalBlocker(self):
            if [(self.itemData(k), self.itemText(k)) for k in range(self.count())] != entries:
                self.clear()
                for name, words in entries:
                    self.addItem(words, name)
            self.setCurrentIndex(self.findData(current))
        self.setVisible(len(entries) > 1)

    @Slot(int)
    def _activated(self, index: int) -> None:
        self.picked.emit(self.itemData(index))


def title_of(layer: ShownLayer) -> str:
    """ "layer 2 · LSTM", of the reverse direction "layer 2 · LSTM ←"."""
    return layer_words(layer.name, layer.cell)
