"""The stack: read-out on top, recurrent layers below it, input at the foot, and how layers are added and moved."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QMenu, QScrollArea, QVBoxLayout, QWidget

from engine.quantities import CELL_TITLES
from engine.spec import MAX_LAYERS, CellKind, Experiment, ModelSpec
from explorer.dock import assembly
from explorer.dock.assembly import Assembly
from explorer.dock.card import StackCard
from explorer.dock.edits import values
from explorer.dock.input_card import InputCard
from explorer.dock.layer_card import LayerCard
from explorer.dock.parameter_counts import parameter_counts
from explorer.dock.readout_card import ReadoutCard
from explorer.dock.rows import Sentence
from explorer.dock.stack_parts import AddButton, DropLine, Empty
from explorer.dock.tab_order import set_tab_order
from explorer.theme.tokens import GAP, TIGHT
from explorer.widgets.typed import finish_typing

CELLS: tuple[CellKind, ...] = ("rnn", "lstm", "gru")


class StackView(QWidget):
    """Cards in the order of the stack, the last layer on top. One is open at a time, which is no part of the model."""

    assembled = Signal(object)
    """Assembly: a layer was added, moved, duplicated or deleted."""
    opened = Signal()
    """A card opened or closed."""
    edited = Signal(object, str, object)
    """A field of a card: the card, the field's name, the value that is wanted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._experiment: Experiment | None = None
        self._locked = False
        self._pending: Assembly | None = None
        self._chosen: LayerCard | None = None
        self.readout = ReadoutCard()
        self.input = InputCard()
        self.layers: list[LayerCard] = []
        """From the input up, as in the model."""
        self.parameters = 0
        self.empty = Empty()
        self.problem = Sentence("warning", "exploding")
        self.problem.set_about(self)
        self.buttons: dict[CellKind, AddButton] = {}
        self._line = DropLine(self)

        adding = QHBoxLayout()
        adding.setContentsMargins(0, TIGHT, 0, 0)
        adding.setSpacing(TIGHT)
        for cell in CELLS:
            button = AddButton(cell)
            button.asked.connect(self.add)
            adding.addWidget(button, 1)
            self.buttons[cell] = button
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(GAP - 2)
        self._column.addWidget(self.readout)
        self._column.addWidget(self.empty)
        self._column.addWidget(self.input)
        self._column.addWidget(self.problem)
        self._column.addLayout(adding)
        for card in (self.readout, self.input):
            self._connect(card)

    # -- data down ----------------------------------------------------------------------------------------------------

    @property
    def cards(self) -> list[StackCard]:
        """From the top."""
        return [self.readout, *reversed(self.layers), self.input]

    def set_experiment(self, experiment: Experiment) -> None:
        """As many cards as layers; after an edit of ours each card goes with its layer."""
        self._experiment = experiment
        pending, self._pending = self._pending, None
        wanted = len(experiment.model.layers)
        if pending is not None and pending.experiment == experiment:
            self._follow(pending, wanted)
        self._make(wanted)
        layers, shown = experiment.model.layers, values(experiment)
        counts = parameter_counts(experiment)
        self.parameters = sum(counts.values())
        self.readout.set_experiment(experiment, shown, counts.get("readout"))
        self.input.set_experiment(experiment, shown, counts.get("input"))
        for number, (card, layer) in enumerate(zip(self.layers, layers, strict=True)):
            card.set_layer(layer, number, len(layers), counts.get(f"l{number}"))
        full = assembly.is_full(experiment)
        for cell, button in self.buttons.items():
            button.setEnabled(not full and not self._locked)
            said = f"Add {assembly.ARTICLES[cell]} {CELL_TITLES[cell]} layer on top of the stack"
            button.setToolTip(f"A stack has up to {MAX_LAYERS} layers." if full else said)
        if pending is not None and pending.experiment == experiment and pending.chosen is not None:
            self._choose(self.layers[pending.chosen], added=len(pending.places) < wanted)

    def set_recorded(self, model: ModelSpec) -> None:
        """A recorded trace's stack: it cannot be changed."""
        self._experiment = None
        self._make(len(model.layers))

    def _make(self, wanted: int) -> None:
        while len(self.layers) < wanted:
            self.layers.append(self._new())
        while len(self.layers) > wanted:
            self._drop(self.layers.pop())
        self._lay_out()

    def set_locked(self, locked: bool) -> None:
        self._locked = locked
        for card in self.cards:
            card.set_locked(locked)
        for button in self.buttons.values():
            button.setEnabled(not locked)

    def take_focus(self) -> None:
        """To the card that is open, else to the top layer; where there is none, to the first button that adds one."""
        opened = next((card for card in self.cards if card.is_open()), None)
        top = self.layers[-1] if self.layers else self.buttons["rnn"]
        (opened or top).setFocus(Qt.FocusReason.ShortcutFocusReason)

    def open_card(self, card: StackCard | None) -> None:
        """The others close."""
        for one in self.cards:
            one.set_open(one is card)
        self._order_tabs()
        self.opened.emit()

    def card(self, name: str) -> StackCard | None:
        """ "readout", "input", "l0", …"""
        if name in ("readout", "input"):
            return self.readout if name == "readout" else self.input
        number = int(name[1:]) if name[:1] == "l" and name[1:].isdigit() else -1
        return self.layers[number] if 0 <= number < len(self.layers) else None

    def _follow(self, done: Assembly, wanted: int) -> None:
        old, cards = self.layers, [None] * wanted  # type: list[LayerCard], list[LayerCard | None]
        for number, card in enumerate(old):
            if number in done.places:
                cards[done.places[number]] = card
            else:
                self._drop(card)
        self.layers = [card or self._new() for card in cards]

    def _new(self) -> LayerCard:
        card = LayerCard()
        card.set_locked(self._locked)
        self._connect(card)
        return card

    def _drop(self, card: LayerCard) -> None:
        card.blockSignals(True)  # hiding takes the focus away: nothing is asked of a layer that has gone
        if self._chosen is card:
            self._chosen = None
        card.hide()
        card.setParent(None)
        card.deleteLater()

    def _lay_out(self) -> None:
        for place, card in enumerate(reversed(self.layers)):
            if self._column.indexOf(card) != place + 1:
                self._column.insertWidget(place + 1, card)
                card.show()
        self.empty.setVisible(not self.layers)
        self._order_tabs()

    def _order_tabs(self) -> None:
        """Tab goes as the eye does, from the top; cards and fields are made in another order."""
        set_tab_order([*self.cards, *self.buttons.values()])

    def _choose(self, card: LayerCard, added: bool) -> None:
        """The card of an edit keeps the focus; a new one opens."""
        inside = self.isAncestorOf(QApplication.focusWidget() or self) or self.hasFocus()
        self._chosen = card
        if added:
            self.open_card(card)
        if inside or added:
            card.setFocus(Qt.FocusReason.OtherFocusReason)

    # -- intent up ----------------------------------------------------------------------------------------------------

    def _connect(self, card: StackCard) -> None:
        card.toggled.connect(self._toggle)
        card.stepped.connect(self._step)
        card.menuRequested.connect(self._menu)
        card.dragged.connect(self._dragged)
        card.dropped.connect(self._dropped)
        card.dragCancelled.connect(self._line.hide)
        card.edited.connect(self.edited)
        card.installEventFilter(self)

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        if isinstance(event, QFocusEvent) and event.gotFocus() and isinstance(watched, StackCard):
            self._chosen = watched if isinstance(watched, LayerCard) else None
            area = _scroll_area(self)
            if area is not None and event.reason() is not Qt.FocusReason.MouseFocusReason:
                area.ensureWidgetVisible(watched, 0, GAP)
        return False

    def _toggle(self, card: StackCard) -> None:
        self.open_card(None if card.is_open() else card)

    def _step(self, card: StackCard, by: int) -> None:
        cards = self.cards
        place = cards.index(card) + by
        if 0 <= place < len(cards):
            cards[place].setFocus(Qt.FocusReason.TabFocusReason)

    @property
    def chosen(self) -> int | None:
        """The layer that edits are about: the one with the focus inside its card, or the last one that had it."""
        focus = QApplication.focusWidget()
        for end in (self.readout, self.input):
            if focus is not None and end.isAncestorOf(focus):
                return None
        for card in self.layers:
            if focus is not None and (card is focus or card.isAncestorOf(focus)):
                return card.number
        return None if self._chosen is None else self._chosen.number

    def add(self, cell: CellKind) -> None:
        finish_typing(self)
        if self._experiment is not None and not self._locked and not assembly.is_full(self._experiment):
            self._ask(assembly.added(self._experiment, cell))

    def shift(self, by: int) -> bool:
        """The chosen layer up (1) or down (−1). False where there is none, or no room."""
        finish_typing(self)
        number = self.chosen
        if self._experiment is None or self._locked or number is None:
            return False
        if not 0 <= number + by < len(self.layers):
            return False
        self._ask(assembly.moved(self._experiment, number, number + by))
        return True

    def duplicate(self) -> bool:
        return self._on_chosen(assembly.duplicated, grows=True)

    def delete(self) -> bool:
        return self._on_chosen(assembly.deleted)

    def _on_chosen(self, edit: Callable[[Experiment, int], Assembly], grows: bool = False) -> bool:
        finish_typing(self)
        number = self.chosen
        if self._experiment is None or self._locked or number is None or (grows and assembly.is_full(self._experiment)):
            return False
        self._ask(edit(self._experiment, number))
        return True

    def _ask(self, wanted: Assembly) -> None:
        self._pending = wanted
        self.assembled.emit(wanted)

    def layer_menu(self, card: LayerCard) -> QMenu:
        """What can be done with a layer. The menu goes when it has closed."""
        self._chosen = card
        menu = QMenu(card.accessibleName(), self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setAccessibleName(card.accessibleName())
        full = self._experiment is None or assembly.is_full(self._experiment)
        menu.addAction("Move &up\tAlt+Up", self._menu_up).setEnabled(card.number < len(self.layers) - 1)
        menu.addAction("Move &down\tAlt+Down", self._menu_down).setEnabled(card.number > 0)
        menu.addAction("Dup&licate\tCtrl+D", self.duplicate).setEnabled(not full)
        menu.addSeparator()
        menu.addAction("D&elete\tDel", self.delete)
        return menu

    def _menu(self, card: StackCard, at: QPoint) -> None:
        if isinstance(card, LayerCard) and not self._locked:
            card.setFocus(Qt.FocusReason.PopupFocusReason)
            self.layer_menu(card).popup(at)

    def _menu_up(self) -> None:
        self.shift(1)

    def _menu_down(self) -> None:
        self.shift(-1)

    # -- dragging -----------------------------------------------------------------------------------------------------

    def _dragged(self, card: StackCard, at: QPoint) -> None:
        if self._locked or not isinstance(card, LayerCard):
            return
        y = self.mapFromGlobal(at).y()
        area = _scroll_area(self)
        inside = area.widget() if area is not None else None
        if area is not None and inside is not None:
            area.ensureVisible(0, self.mapTo(inside, QPoint(0, y)).y(), 0, 40)
        self._line.show_at(self._gap(y), self._y_of_gap(self._gap(y)))

    def _gap(self, y: int) -> int:
        """Between which layers, counted from below: 0 is below all of them."""
        return sum(y < card.geometry().center().y() for card in self.layers)

    def _y_of_gap(self, gap: int) -> int:
        above = self.layers[gap].geometry().bottom() if gap < len(self.layers) else self.readout.geometry().bottom()
        return above + self._column.spacing() // 2 + 1

    def _dropped(self, card: StackCard) -> None:
        gap = self._line.gap if not self._line.isHidden() else None
        self._line.hide()
        finish_typing(self)
        if gap is None or self._experiment is None or not isinstance(card, LayerCard):
            return
        place = gap - (gap > card.number)
        if place != card.number:
            self._ask(assembly.moved(self._experiment, card.number, place))


def _scroll_area(widget: QWidget) -> QScrollArea | None:
    above = widget.parentWidget()
    while above is not None and not isinstance(above, QScrollArea):
        above = above.parentWidget()
    return above
