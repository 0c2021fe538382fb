"""The Model menu: what it does to the layer whose card has the focus, and to the whole."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from explorer.bindings import Bindings
from explorer.bindings.parts import Parts


class ModelCommands(QObject):
    def __init__(self, parts: Parts, bindings: Bindings, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._stack, self._bindings = parts, parts.window.dock.stack, bindings

    @Slot()
    def do_add_rnn(self) -> None:
        self._stack.add("rnn")

    @Slot()
    def do_add_lstm(self) -> None:
        self._stack.add("lstm")

    @Slot()
    def do_add_gru(self) -> None:
        self._stack.add("gru")

    @Slot()
    def do_layer_up(self) -> None:
        self._stack.shift(1)

    @Slot()
    def do_layer_down(self) -> None:
        self._stack.shift(-1)

    @Slot()
    def do_duplicate_layer(self) -> None:
        self._on_layer(self._stack.duplicate())

    @Slot()
    def do_delete_layer(self) -> None:
        self._on_layer(self._stack.delete())

    def _on_layer(self, done: bool) -> None:
        if not done:
            self._parts.say("Choose a layer's card first: click it, or go there with Tab.", 4000)

    @Slot()
    def do_attention(self) -> None:
        self._bindings.model.read_by_attention()
