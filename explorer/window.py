"""The main window: where the parts stand. It holds no state of its own and changes no document."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMainWindow,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from explorer.analysis.panel import AnalysisPanel
from explorer.cell.panel import CellPanel
from explorer.dock.model import ModelDock
from explorer.resizing import LiveResize
from explorer.settings import USUAL_HEIGHT
from explorer.stage.stage import Stage
from explorer.status import StatusLine
from explorer.training.drawer import BAR_HEIGHT, LEAST_HEIGHT, Drawer
from explorer.transport.bar import TransportBar
from explorer.widgets.edge import EdgeButton
from explorer.widgets.frames import rule, scrolled

if TYPE_CHECKING:
    from explorer.start.page import StartPage

DEFAULT_SIZE, SMALLEST_SIZE = (1360, 860), (512, 320)
_CELL_NEEDS, _DOCK_NEEDS, _DRAWER_NEEDS = 900, 720, 120
"""Narrower than this, the cell panel and then the dock make room for the stage; with so much more, the cell panel for
the open drawer too."""
# Shares of the window's width, with the least and the most in pixels: the stage gets what is left.
_DOCK, _CELL = (0.185, 224, 260), (0.26, 290, 400)
_CELL_SHARE, _LOW_SHARE, _LOW = 0.62, 0.76, 640
"""Of the right side's height, and in a window lower than so many pixels, where the circuit would be cut; the rest is
the analysis panel's."""


class MainWindow(QMainWindow):
    """Transport above, model dock | stage | cell panel below it, status line at the foot; or the start page."""

    closing = Signal(QCloseEvent)
    """Emitted before the window closes; a listener may ignore the event."""
    fileDropped = Signal(str)
    fullScreenChanged = Signal(bool)
    drawerHeightChanged = Signal(int)
    """Somebody has dragged it."""
    panelsChanged = Signal()
    """A panel has come or gone: by command, or since it gives way in a small window."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("Gradient Flow Explorer")
        self.setAcceptDrops(True)
        self.transport = TransportBar()
        self.dock = ModelDock()
        self.stage = Stage()
        self.drawer = Drawer()
        self.cell = CellPanel()
        self.analysis = AnalysisPanel()
        self.status = StatusLine()

        self.dock_area = scrolled(self.dock, "Model")
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setHandleWidth(1)
        self.side = QSplitter(Qt.Orientation.Vertical)
        self.side.setHandleWidth(1)
        self.side.setChildrenCollapsible(False)
        self.side.addWidget(self.cell)
        self.side.addWidget(self.analysis)
        self.side.setStretchFactor(0, 3)
        self.side.setStretchFactor(1, 2)
        self.middle = QSplitter(Qt.Orientation.Vertical)
        self.middle.setHandleWidth(1)
        self.middle.setChildrenCollapsible(False)
        self.middle.addWidget(self.stage)
        self.middle.addWidget(self.drawer)
        self.middle.setStretchFactor(0, 1)
        self.middle.setStretchFactor(1, 0)
        self._drawer_height = USUAL_HEIGHT
        self._scrolled: tuple[int, int] | None = None
        """Where the stage stood before the drawer opened, and where it was scrolled to for it."""
        for part, stretch in ((self.dock_area, 0), (self.middle, 1), (self.side, 0)):
            self.splitter.addWidget(part)
            self.splitter.setStretchFactor(self.splitter.indexOf(part), stretch)
        self.dock_area.setMinimumWidth(_DOCK[1])
        self.side.setMinimumWidth(_CELL[1])
        self._widths_chosen = False
        self.splitter.splitterMoved.connect(self._splitter_moved)
        self.side.splitterMoved.connect(self._splitter_moved)
        self.middle.splitterMoved.connect(self._drawer_dragged)
        self.drawer.openChanged.connect(self._drawer_opened)
        self.drawer.leaving.connect(self._focus_stage)

        workbench = QWidget()
        column = QVBoxLayout(workbench)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.transport)
        column.addWidget(rule())
        column.addLayout(self._between_edges(), 1)
        self.workbench = workbench

        self.pages = QStackedWidget()
        self.pages.addWidget(self.workbench)
        self.setCentralWidget(self.pages)
        self.live = LiveResize(self)
        self.statusBar().setSizeGripEnabled(False)
        self.statusBar().addWidget(self.status, 1)
        self._put_away: set[QWidget] = set()
        self._kept: set[QWidget] = set()
        """Called back in a small window: they do not give way again before it has been large."""
        self.setMinimumSize(*SMALLEST_SIZE)  # smaller than the panels together: they are put away first
        self.resize(*DEFAULT_SIZE)

    def _between_edges(self) -> QHBoxLayout:
        """The parts, and at the sides what calls back those that have given way."""
        gone = "gave way to the stage in this small window"
        self.model_edge = EdgeButton("Model", f"Model {gone}; it comes back here, or by View ▸ Model (Ctrl+1).")
        self.side_edge = EdgeButton(
            "Cell and Analysis",
            f"Cell and Analysis {gone}; they come back here, or by View ▸ Cell (Ctrl+2) and Analysis (Ctrl+3).",
        )
        self.model_edge.clicked.connect(self._bring_back_dock)
        self.side_edge.clicked.connect(self._bring_back_side)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.model_edge)
        row.addWidget(self.splitter, 1)
        row.addWidget(self.side_edge)
        return row

    @cached_property
    def start_page(self) -> StartPage:
        """Made when it is first asked for: the window opens on the workbench."""
        from explorer.start.page import StartPage

        page = StartPage()
        self.pages.addWidget(page)
        return page

    def scroll_to_top(self) -> None:
        """Of every part: another document begins where it begins."""
        for part in (self.stage.canvas, *self.workbench.findChildren(QScrollArea)):
            part.verticalScrollBar().setValue(0)
        self._scrolled = None
        self.bring_past_in_sight()

    def show_start_page(self) -> None:
        self.pages.setCurrentWidget(self.start_page)
        self.statusBar().hide()
        self.start_page.setFocus()

    def show_workbench(self) -> None:
        self.pages.setCurrentWidget(self.workbench)
        self.statusBar().show()
        self._focus_stage()

    @Slot()
    def _focus_stage(self) -> None:
        """With its ring where keys are used: the focus has come where it is by one, or a shortcut is being pressed."""
        held = QGuiApplication.keyboardModifiers() != Qt.KeyboardModifier.NoModifier
        by_key = held or self.testAttribute(Qt.WidgetAttribute.WA_KeyboardFocusChange)
        self.stage.setFocus(Qt.FocusReason.ShortcutFocusReason if by_key else Qt.FocusReason.OtherFocusReason)

    def _leave(self, part: QWidget) -> None:
        """Before a part is hidden: Qt would hand the focus to whatever stands beside it."""
        inside = self.focusWidget()
        if inside is not None and part.isAncestorOf(inside):
            self._focus_stage()

    @property
    def on_start_page(self) -> bool:
        return self.pages.currentWidget() is not self.workbench

    @Slot()
    def _splitter_moved(self) -> None:
        self._widths_chosen = True

    def set_drawer_height(self, height: int) -> None:
        """Of the open drawer, as far as there is room."""
        self._drawer_height = max(LEAST_HEIGHT, height)
        self._drawer_opened()

    @Slot()
    def _drawer_opened(self) -> None:
        """The stage gives the drawer its place, and gets it back."""
        bar, scrolled = self.stage.canvas.verticalScrollBar(), self._scrolled
        untouched = scrolled is not None and bar.value() == scrolled[1]
        height = self._drawer_height if self.drawer.is_open else BAR_HEIGHT
        self.middle.handle(1).setEnabled(self.drawer.is_open)
        self.middle.setSizes([max(1, self.middle.height() - height), height])
        self._give_way()
        if self.drawer.is_open:
            self.bring_past_in_sight()
        else:
            if scrolled is not None and untouched:
                bar.setValue(scrolled[0])
            self._scrolled = None

    def bring_past_in_sight(self) -> None:
        """Flow over training stands with the curves of the training: a low stage would have it below the fold."""
        if self.drawer.is_open and self.drawer.tab == "training":
            bar = self.stage.canvas.verticalScrollBar()
            before = bar.value()
            self.stage.bring_past_in_sight()
            if bar.value() != before:
                self._scrolled = (before if self._scrolled is None else self._scrolled[0]), bar.value()

    @Slot()
    def _drawer_dragged(self) -> None:
        if self.drawer.is_open and self.drawer.height() != self._drawer_height:
            self._drawer_height = self.drawer.height()
            self.drawerHeightChanged.emit(self._drawer_height)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The panels give way in a small window, until somebody has chosen their widths."""
        super().resizeEvent(event)
        self._give_way()
        if not self._widths_chosen:
            dock, cell = (int(min(max(share * self.width(), least), most)) for share, least, most in (_DOCK, _CELL))
            self.splitter.setSizes([dock, self.width() - dock - cell, cell])
            share = _LOW_SHARE if self.height() < _LOW else _CELL_SHARE
            self.side.setSizes([round(share * self.height()), round((1 - share) * self.height())])
        if self.workbench.isVisible():
            self.live.resized()

    def _needs(self, side: QWidget) -> int:
        """The width of a window in which it is shown."""
        if side is self.dock_area:
            return _DOCK_NEEDS
        return _CELL_NEEDS + (_DRAWER_NEEDS if self.drawer.is_open else 0)

    def _give_way(self) -> None:
        for panel in (self.side, self.dock_area):
            if self.width() >= self._needs(panel):
                self._kept.discard(panel)
                self._bring_back(panel)
            elif panel not in self._kept and not panel.isHidden():
                self._put_away.add(panel)
                self._leave(panel)
                panel.hide()
                self._panels_changed()

    def _bring_back(self, side: QWidget) -> bool:
        """Show what has given way in a small window; False: it has not."""
        if side not in self._put_away:
            return False
        self._put_away.discard(side)
        side.show()
        self._panels_changed()
        return True

    @Slot()
    def _bring_back_dock(self) -> None:
        self._kept.add(self.dock_area)
        self._bring_back(self.dock_area)

    @Slot()
    def _bring_back_side(self) -> None:
        self._kept.add(self.side)
        self._bring_back(self.side)

    def show_panel(self, panel: QWidget, shown: bool) -> None:
        """The model dock, the cell panel or the analysis panel. Where its side has given way it comes back, and it
        alone."""
        parts = [self.cell, self.analysis] if panel in (self.cell, self.analysis) else [panel]
        side = self.dock_area if panel is self.dock_area else self.side
        if shown and self.width() < self._needs(side):
            self._kept.add(side)
        if shown and side in self._put_away:
            for part in parts:
                part.setVisible(part is panel)
            self._bring_back(side)
        if not shown:
            self._leave(panel)
        panel.setVisible(shown)
        if side not in self._put_away:  # no empty column
            side.setVisible(any(not part.isHidden() for part in parts))
        self._panels_changed()

    def is_shown(self, panel: QWidget) -> bool:
        """Whether it stands on the workbench, whichever page is open."""
        return panel.isVisibleTo(self.workbench)

    def _panels_changed(self) -> None:
        for edge, side in ((self.model_edge, self.dock_area), (self.side_edge, self.side)):
            edge.setVisible(side in self._put_away)
        self.panelsChanged.emit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.WindowStateChange:
            self.fullScreenChanged.emit(self.isFullScreen())

    def closeEvent(self, event: QCloseEvent) -> None:
        self.closing.emit(event)
        if event.isAccepted():
            super().closeEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        for url in event.mimeData().urls():
            if url.isLocalFile():
                event.acceptProposedAction()
                self.fileDropped.emit(url.toLocalFile())
                return
