"""The training tab: the controls on the left, the live curves on the right."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt, Signal, Slot
from PySide6.QtGui import QAction, QActionGroup, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QScrollArea, QVBoxLayout, QWidget

from explorer.theme.tokens import GAP, TIGHT
from explorer.training.axes import AxisChoice
from explorer.training.comparisons import MOST
from explorer.training.controls import WIDTH, Controls
from explorer.training.plots import CurvesView
from explorer.training.words import layer_words
from explorer.widgets.buttons import FlatButton

_LEAST_CURVES = 140
"""Pixels; with less room there are none."""
KEEP_TIP = (
    f"Keep as comparison (Ctrl+Alt+K): loss and gradient norm of this run stay as curves beside the next, "
    f"{MOST} runs at most; they are not saved with the session"
)
_AXES: dict[AxisChoice, str] = {
    "auto": "Loss on the axis that &fits: logarithmic where it runs away",
    "linear": "Loss on a &linear axis",
    "log": "Loss on a lo&garithmic axis",
}


class TrainingTab(QWidget):
    layersWanted = Signal(tuple)
    """The layers whose gradient norms are to be seen beside the norm of all."""
    lossAxisPicked = Signal(str)
    keepWanted = Signal()
    """The present run is to stay beside those that follow."""
    removeWanted = Signal(int)
    """One of those that are kept is to go, by its number."""
    clearWanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Training")
        self.controls = Controls()
        self.curves = CurvesView()
        self.menu_button = FlatButton("more", "What the curves show", size=20)
        self.keep_button = FlatButton("compare", "Keep as comparison", size=20)
        self.keep_button.setToolTip(KEEP_TIP)
        self._layers: tuple[str, ...] = ()
        self._kept: tuple[str, ...] = ()
        self._wanted: tuple[str, ...] = ()
        self._column = _scrolled(self.controls)
        self._line = line = QFrame()
        line.setProperty("role", "rule")
        line.setFixedWidth(1)
        side = QVBoxLayout()
        side.setContentsMargins(0, TIGHT, TIGHT, 0)
        side.setSpacing(TIGHT)
        side.addWidget(self.menu_button)
        side.addWidget(self.keep_button)
        side.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.setSizeConstraint(QHBoxLayout.SizeConstraint.SetNoConstraint)  # the curves give way before anything is cut
        row.addWidget(self._column)
        row.addWidget(line)
        row.addSpacing(GAP)
        row.addWidget(self.curves, 1)
        row.addLayout(side)
        row.addStretch(0)
        self.menu_button.clicked.connect(self._menu_below)
        self.keep_button.clicked.connect(self.keepWanted)
        self.curves.menuWanted.connect(self._menu_at)

    def set_layers(self, layers: tuple[str, ...], wanted: tuple[str, ...]) -> None:
        """Those that there are, and those that are shown."""
        self._layers, self._wanted = layers, wanted

    def set_kept(self, names: tuple[str, ...]) -> None:
        """The earlier runs that are kept beside the present one."""
        self._kept = names

    def minimumSizeHint(self) -> QSize:
        return QSize(WIDTH, 40)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        room = self.width() >= self._column.width() + _LEAST_CURVES
        for part in (self._line, self.curves, self.menu_button, self.keep_button):
            part.setVisible(room)

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
            entry = _entry(menu, words, kind, checked=self.curves.loss_axis_choice == kind)
            axes.addAction(entry)
            entry.triggered.connect(self._pick_axis)
        menu.addSeparator()
        fit = menu.addAction("Show &all iterations")
        fit.setEnabled(not self.curves.span.is_whole)
        fit.triggered.connect(self.curves.fit)
        menu.addSeparator()
        keep = menu.addAction("&Keep this run as comparison")
        keep.setToolTip(KEEP_TIP)
        keep.setEnabled(self.curves.count > 0)
        keep.triggered.connect(self.keepWanted)
        for number, name in enumerate(self._kept):
            gone = menu.addAction(f"Remove comparison “{name}”".replace("&", "&&"))
            gone.setData(number)
            gone.triggered.connect(self._remove)
        if len(self._kept) > 1:
            menu.addAction("&Remove all comparisons").triggered.connect(self.clearWanted)
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
    def _remove(self) -> None:
        entry = self.sender()
        if isinstance(entry, QAction):
            self.removeWanted.emit(entry.data())

    @Slot()
    def _pick_layer(self) -> None:
        entry = self.sender()
        if isinstance(entry, QAction):
            chosen = {*self._wanted} ^ {entry.data()}
            self.layersWanted.emit(tuple(layer for layer in self._layers if layer in chosen))


def _scrolled(controls: Controls) -> QScrollArea:
    """In a low drawer the controls are scrolled."""
    area = QScrollArea()
    area.setWidget(controls)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    for part in (controls, area.viewport()):
        part.setAutoFillBackground(False)  # the drawer's own shows through
    area.setFixedWidth(WIDTH + area.verticalScrollBar().sizeHint().width())
    return area


def _entry(menu: QMenu, words: str, data: str, *, checked: bool) -> QAction:
    entry = menu.addAction(words)
    entry.setCheckable(True)
    entry.setChecked(checked)
    entry.setData(data)
    return entry
