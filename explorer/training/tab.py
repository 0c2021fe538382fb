"""The training tab: the controls on the left, the live curves on the right."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Signal, Slot
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QVBoxLayout, QWidget

from explorer.theme.tokens import GAP, TIGHT
from explorer.training.axes import AxisKind
from explorer.training.controls import Controls
from explorer.training.plots import CurvesView
from explorer.training.words import layer_words
from explorer.widgets.buttons import FlatButton

_AXES: dict[AxisKind, str] = {"linear": "Loss on a &linear axis", "log": "Loss on a lo&garithmic axis"}


class TrainingTab(QWidget):
    layersWanted = Signal(tuple)
    """The layers whose gradient norms are to be seen beside the norm of all."""
    lossAxisPicked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Training")
        self.controls = Controls()
        self.curves = CurvesView()
        self.menu_button = FlatButton("more", "What the curves show", size=20)
        self._layers: tuple[str, ...] = ()
        self._wanted: tuple[str, ...] = ()
        line = QFrame()
        line.setProperty("role", "rule")
        line.setFixedWidth(1)
        side = QVBoxLayout()
        side.setContentsMargins(0, TIGHT, TIGHT, 0)
        side.addWidget(self.menu_button)
        side.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.controls)
        row.addWidget(line)
        row.addSpacing(GAP)
        row.addWidget(self.curves, 1)
        row.addLayout(side)
        self.menu_button.clicked.connect(self._menu_below)
        self.curves.menuWanted.connect(self._menu_at)

    def set_layers(self, layers: tuple[str, ...], wanted: tuple[str, ...]) -> None:
        """Those that there are, and those that are shown."""
        self._layers, self._wanted = layers, wanted

    # -- the small menu -----------------------------------------------------------------------------------------------

    @Slot()
    def _menu_below(self) -> None:
        self._menu_at(self.menu_button.mapToGlobal(QPoint(0, self.menu_button.height())))

    @Slot(object)
    def _menu_at(self, at: QPoint) -> None:
        menu = self.menu()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(at)

    def menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setAccessibleName("What the curves show")
        axes = QActionGroup(menu)
        for kind, words in _AXES.items():
            entry = _entry(menu, words, kind, checked=self.curves.loss_axis_kind == kind)
            axes.addAction(entry)
            entry.triggered.connect(self._pick_axis)
        menu.addSeparator()
        for layer in self._layers:
            entry = _entry(menu, f"Gradient norm of {layer_words(layer)}", layer, checked=layer in self._wanted)
            entry.triggered.connect(self._pick_layer)
        if not self._layers:
            menu.addAction("Gradient norms by layer come with training").setEnabled(False)
        return menu

    @Slot()
    def _pick_axis(self) -> None:
        entry = self.sender()
        if isinstance(entry, QAction):
            self.lossAxisPicked.emit(entry.data())

    @Slot()
    def _pick_layer(self) -> None:
        entry = self.sender()
        if isinstance(entry, QAction):
            chosen = {*self._wanted} ^ {entry.data()}
            self.layersWanted.emit(tuple(layer for layer in self._layers if layer in chosen))


def _entry(menu: QMenu, words: str, data: str, *, checked: bool) -> QAction:
    entry = menu.addAction(words)
    entry.setCheckable(True)
    entry.setChecked(checked)
    entry.setData(data)
    return entry
