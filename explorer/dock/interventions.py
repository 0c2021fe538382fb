"""Gates that are held and routes that are cut, each a small list of the what-if."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from engine.quantities import CLAMPABLE, HELD_WITHIN, ROUTES, layer_title
from engine.spec import Clamp, Cut, LayerSpec
from explorer.dock.fields import ChoiceField, NumberField, by
from explorer.dock.rows import Sentence
from explorer.dock.units_field import UnitsField
from explorer.theme.tokens import TIGHT
from explorer.widgets.buttons import FlatButton
from explorer.widgets.elided import ElidedLabel
from explorer.widgets.typed import finish_typing

_GATES_OPEN = {"lstm": "f", "gru": "z"}
_NOTHING = {"rnn": "The RNN has no gates; add an LSTM or a GRU layer to hold one."}


def directions(layers: tuple[LayerSpec, ...]) -> Iterator[tuple[str, LayerSpec]]:
    """The layers by torch's suffix, the last one first: "l1", "l1_reverse", "l0"."""
    for number, layer in reversed(list(enumerate(layers))):
        yield f"l{number}", layer
        if layer.bidirectional:
            yield f"l{number}_reverse", layer


class _Item(QWidget):
    """One of the list: its fields in two lines, × at the right, and what is wrong below."""

    edited = Signal(object)
    """The item as it would be; it is told its place by its list."""
    removed = Signal(object)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.value: Any = None
        self.changed: QWidget | None = None
        """The field that asked last."""
        self.remove = FlatButton("close", f"Remove: {name}")
        self.remove.clicked.connect(self._remove)
        self.error = Sentence("warning", "exploding")
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, TIGHT)
        self._column.setSpacing(2)

    def line(self, *parts: tuple[QWidget | str, int]) -> None:
        row = QHBoxLayout()
        row.setSpacing(TIGHT)
        for part, stretch in parts:
            row.addWidget(ElidedLabel(part, tone="muted", least=8) if isinstance(part, str) else part, stretch)
        self._column.addLayout(row)

    def finish(self) -> None:
        self._column.addWidget(self.error)

    def show_value(self, value: Any) -> None:
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """What was typed and refused stays to be mended, until the value itself is another."""
        typed = self._typed()
        refused = any(field.is_invalid() for field in typed)
        if value != self.value or not refused:
            self.error.set_text("")
        self.show_value(value)
        for field in (*typed, *self.findChildren(ChoiceField)):
            if isinstance(field, ChoiceField) or not field.is_invalid():
                field.setAccessibleDescription("")

    def _typed(self) -> list[NumberField | UnitsField]:
        return [*self.findChildren(NumberField), *self.findChildren(UnitsField)]

    def let_go(self) -> None:
        for field in self._typed():
            field.restore()

    def say(self, sentence: str) -> None:
        """Of the field that asked last, which carries it too."""
        self.error.set_text(sentence)
        if self.changed is not None:
            self.changed.setAccessibleDescription(sentence)

    def refuse(self, sentence: str) -> None:
        self.say(sentence)
        if isinstance(self.changed, (NumberField, UnitsField)):
            self.changed.set_invalid(True)
        else:
            self.show_value(self.value)

    def _remove(self) -> None:
        self.removed.emit(self)


class _ClampItem(_Item):
    def __init__(self, clamp: Clamp, layers: tuple[LayerSpec, ...]) -> None:
        super().__init__("a held gate")
        found = [(name, layer) for name, layer in directions(layers) if CLAMPABLE[layer.cell]]
        cells = {name: layer.cell for name, layer in found}
        gates = CLAMPABLE[cells[clamp.layer]] if clamp.layer in cells else (clamp.gate,)
        self.gate = ChoiceField("Gate that is held", [(gate, gate) for gate in gates])
        self.level = NumberField("Value that it is held at", step=by(0.1))
        self.layer = ChoiceField("Layer of the held gate", [(name, layer_title(name)) for name, _ in found])
        self.first = NumberField("Held from step", whole=True, step=by(1, 1))
        self.last = NumberField("Held to step", whole=True, empty="end", step=by(1, 1))
        self.units = UnitsField("Units that are held")
        self._cells = cells
        self.line((self.gate, 2), ("=", 0), (self.level, 2), ("in", 0), (self.layer, 3), (self.remove, 0))
        self.line(("t", 0), (self.first, 2), ("–", 0), (self.last, 2), ("units", 0), (self.units, 3))
        self.finish()
        for field, name in (
            (self.level, "value"),
            (self.first, "first"),
            (self.last, "last"),
            (self.units, "units"),
        ):
            change = _Change(self, name, field)
            field.edited.connect(change.take)
            if isinstance(field, (NumberField, UnitsField)):
                field.refused.connect(change.refuse)
        self.gate.edited.connect(self._other_gate)
        self.layer.edited.connect(self._other_layer)
        self.show_value(clamp)

    def show_value(self, value: Clamp) -> None:
        clamp = self.value = value
        self.gate.set_value(clamp.gate)
        self.level.set_value(clamp.value)
        self.layer.set_value(clamp.layer)
        self.first.set_value(clamp.first)
        self.last.set_value(clamp.last)
        self.units.set_value(clamp.units)
        self.remove.setAccessibleName(f"Remove: {clamp.gate} held at {clamp.value:g} in {layer_title(clamp.layer)}")

    def _other_layer(self, name: str) -> None:
        """A layer of another kind has other gates."""
        self.changed = self.layer
        gates = CLAMPABLE[self._cells[name]]
        gate = self.value.gate if self.value.gate in gates else _GATES_OPEN[self._cells[name]]
        self.edited.emit(replace(_with_gate(self.value, gate), layer=name, units=None))

    def _other_gate(self, gate: str) -> None:
        self.changed = self.gate
        self.edited.emit(_with_gate(self.value, gate))


def _with_gate(clamp: Clamp, gate: str) -> Clamp:
    """Held at the value that is nearest, of those that this gate can have."""
    low, high = HELD_WITHIN[gate]
    return replace(clamp, gate=gate, value=min(max(clamp.value, low), high))


class _CutItem(_Item):
    def __init__(self, cut: Cut, layers: tuple[LayerSpec, ...]) -> None:
        super().__init__("a cut route")
        found = list(directions(layers))
        self._cells = {name: layer.cell for name, layer in found}
        routes = ROUTES[self._cells[cut.layer]] if cut.layer in self._cells else (cut.route,)
        self.route = ChoiceField("Route that is cut", [(route, _route_words(route)) for route in routes])
        self.layer = ChoiceField("Layer of the cut route", [(name, layer_title(name)) for name, _ in found])
        self.line((self.route, 3), ("in", 0), (self.layer, 2), (self.remove, 0))
        self.finish()
        self.route.edited.connect(_Change(self, "route", self.route).take)
        self.layer.edited.connect(self._other_layer)
        self.show_value(cut)

    def show_value(self, value: Cut) -> None:
        cut = self.value = value
        self.route.set_value(cut.route)
        self.layer.set_value(cut.layer)
        self.remove.setAccessibleName(f"Remove: route {cut.route} cut in {layer_title(cut.layer)}")

    def _other_layer(self, name: str) -> None:
        self.changed = self.layer
        routes = ROUTES[self._cells[name]]
        route = self.value.route if self.value.route in routes else routes[0]
        self.edited.emit(replace(self.value, layer=name, route=route))


class _Change:
    """A field of an item, by the name that the spec has for it."""

    def __init__(self, item: _Item, name: str, field: QWidget) -> None:
        self._item, self._name, self._field = item, name, field
        item.__dict__.setdefault("_changes", []).append(self)  # a signal alone would not keep it

    def take(self, value: object) -> None:
        self._item.changed = self._field
        self._item.edited.emit(replace(self._item.value, **{self._name: value}))

    def refuse(self, sentence: str) -> None:
        self._item.changed = self._field
        self._item.say(sentence)


def _route_words(route: str) -> str:
    return route if len(route) > 1 else f"through {route}"


class _ItemList(QWidget):
    """`edited`: all of them as they would be, and the place of the one that was changed."""

    edited = Signal(object, int)

    def __init__(self, title: str, add_words: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tip = tip
        self._key: object = None
        self._layers: tuple[LayerSpec, ...] = ()
        self.items: list[_Item] = []
        self.add_button = FlatButton("plus", add_words)
        self.add_button.clicked.connect(self._add)
        head = QHBoxLayout()
        head.addWidget(ElidedLabel(title), 1)
        head.addWidget(self.add_button)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)
        self._column.addLayout(head)
        self.setToolTip(tip)

    def set_items(self, values: tuple[Any, ...], layers: tuple[LayerSpec, ...]) -> None:
        self._layers = layers
        shapes = tuple((layer.cell, layer.bidirectional) for layer in layers)
        key = (shapes, tuple(value.layer for value in values))
        if key != self._key:
            self._key = key
            self._rebuild(values)
        for item, value in zip(self.items, values, strict=True):
            item.set_value(value)
        can = self.fresh() is not None
        self.add_button.setEnabled(can)
        self.setToolTip(self._tip if can or not layers else _NOTHING["rnn"])

    def _rebuild(self, values: tuple[Any, ...]) -> None:
        for item in self.items:
            # Hiding takes the focus away, and leaving a field takes what was typed: it would be asked for in the middle
            # of another edit, and its place in the list is gone.
            item.blockSignals(True)
            self._column.removeWidget(item)
            item.hide()
            item.deleteLater()
        self.items = [self.make(value) for value in values]
        for item in self.items:
            self._column.addWidget(item)
            item.edited.connect(self._item_edited)
            item.removed.connect(self._item_removed)

    def make(self, value: Any) -> _Item:
        raise NotImplementedError

    def fresh(self) -> Any:
        """One more to begin with; None where the stack has nothing for it."""
        raise NotImplementedError

    def values(self) -> tuple[Any, ...]:
        return tuple(item.value for item in self.items)

    def show_error(self, place: int, sentence: str) -> None:
        self.items[place].refuse(sentence)

    def _add(self) -> None:
        finish_typing(self)  # a click on the button leaves the focus where it is
        self.edited.emit((*self.values(), self.fresh()), len(self.items))
        if self.items:
            self.items[-1].findChildren(ChoiceField)[0].setFocus(Qt.FocusReason.OtherFocusReason)

    def _item_edited(self, value: object) -> None:
        sender = self.sender()
        place = next(number for number, item in enumerate(self.items) if item is sender)
        values = list(self.values())
        values[place] = value
        self.edited.emit(tuple(values), place)

    def _item_removed(self, removed: _Item) -> None:
        place = next(number for number, item in enumerate(self.items) if item is removed)
        removed.let_go()  # what was typed into it goes with it
        finish_typing(self)
        values = self.values()
        self.add_button.setFocus(Qt.FocusReason.OtherFocusReason)
        self.edited.emit(values[:place] + values[place + 1 :], place)


class ClampList(_ItemList):
    def __init__(self) -> None:
        super().__init__(
            "Held gates",
            "Hold a gate at a value",
            "A gate is held at a value, forward; no gradient passes through it there.",
        )

    def make(self, value: Clamp) -> _Item:
        return _ClampItem(value, self._layers)

    def fresh(self) -> Clamp | None:
        for name, layer in directions(self._layers):
            if layer.cell in _GATES_OPEN:
                return Clamp(gate=_GATES_OPEN[layer.cell], value=1.0, layer=name)
        return None


class CutList(_ItemList):
    def __init__(self) -> None:
        super().__init__(
            "Cut routes",
            "Cut a route of the gradient",
            "The gradient cannot take this way back; the forward pass is what it was.",
        )

    def make(self, value: Cut) -> _Item:
        return _CutItem(value, self._layers)

    def fresh(self) -> Cut | None:
        for name, layer in directions(self._layers):
            return Cut(route=ROUTES[layer.cell][0], layer=name)
        return None
