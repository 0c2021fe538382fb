"""The main window: where the parts stand. It holds no state of its own and changes no document."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QMainWindow, QScrollArea, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from explorer.analysis.panel import AnalysisPanel
from explorer.cell.panel import CellPanel
from explorer.dock.model import ModelDock
from explorer.settings import USUAL_HEIGHT
from explorer.stage.stage import Stage
from explorer.status import StatusLine
from explorer.training.drawer import BAR_HEIGHT, LEAST_HEIGHT, Drawer
from explorer.transport.bar import TransportBar

if TYPE_CHECKING:
    from explorer.start.page import StartPage

DEFAULT_SIZE, SMALLEST_SIZE = (1360, 860), (512, 320)
_CELL_NEEDS, _DOCK_NEEDS = 900, 720
"""Narrower than this, the cell panel and then the dock make room for the stage."""
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

        self.dock_area = _panel(self.dock, "Model")
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

        workbench = QWidget()
        column = QVBoxLayout(workbench)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.transport)
        column.addWidget(_rule())
        column.addWidget(self.splitter, 1)
        self.workbench = workbench

        self.pages = QStackedWidget()
        self.pages.addWidget(self.workbench)
        self.setCentralWidget(self.pages)
        self.statusBar().setSizeGripEnabled(False)
        self.statusBar().addWidget(self.status, 1)
        self._put_away: set[QWidget] = set()
        self.setMinimumSize(*SMALLEST_SIZE)  # smaller than the panels together: they are put away first
        self.resize(*DEFAULT_SIZE)

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

    def show_start_page(self) -> None:
        self.pages.setCurrentWidget(self.start_page)
        self.statusBar().hide()
        self.start_page.setFocus()

    def show_workbench(self) -> None:
        self.pages.setCurrentWidget(self.workbench)
        self.statusBar().show()
        self.stage.setFocus()

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
        height = self._drawer_height if self.drawer.is_open else BAR_HEIGHT
        self.middle.handle(1).setEnabled(self.drawer.is_open)
        self.middle.setSizes([max(1, self.middle.height() - height), height])

    @Slot()
    def _drawer_dragged(self) -> None:
        if self.drawer.is_open and self.drawer.height() != self._drawer_height:
            self._drawer_height = self.drawer.height()
            self.drawerHeightChanged.emit(self._drawer_height)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The panels give way in a small window, until somebody has chosen their widths."""
        super().resizeEvent(event)
        for panel, needed in ((self.side, _CELL_NEEDS), (self.dock_area, _DOCK_NEEDS)):
            if self.width() < needed and not panel.isHidden():
                self._put_away.add(panel)
                panel.hide()
            elif self.width() >= needed and panel in self._put_away:
                self._put_away.discard(panel)
                panel.show()
        if not self._widths_chosen:
            dock, cell = (int(min(max(share * self.width(), least), most)) for share, least, most in (_DOCK, _CELL))
            self.splitter.setSizes([dock, self.width() - dock - cell, cell])
            share = _LOW_SHARE if self.height() < _LOW else _CELL_SHARE
            self.side.setSizes([round(share * self.height()), round((1 - share) * self.height())])

    def bring_back(self, panel: QWidget) -> bool:
        """Show a panel that has given way in a small window; False: it has not."""
        if panel not in self._put_away:
            return False
        self._put_away.discard(panel)
        panel.show()
        return True

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


def _panel(content: QWidget, name: str) -> QScrollArea:
    area = QScrollArea()
    area.setAccessibleName(name)
    area.setWidget(content)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return area


def _rule() -> QFrame:
    line = QFrame()
    line.setProperty("role", "rule")
    line.setFixedHeight(1)
    return line
