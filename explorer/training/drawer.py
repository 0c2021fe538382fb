"""The drawer below the stage: a slim bar that says how training stands, and two tabs when it is open."""

from __future__ import annotations

from typing import Literal, get_args

from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QFrame, QHBoxLayout, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from explorer.evaluation.tab import EvaluationTab
from explorer.theme import current as theming
from explorer.theme.tokens import GAP, PAD, TIGHT
from explorer.training.reason import Reason
from explorer.training.summary import Summary
from explorer.training.tab import TrainingTab
from explorer.widgets.buttons import FlatButton

Tab = Literal["training", "evaluation"]
TABS: tuple[Tab, ...] = get_args(Tab)
_TITLES: dict[Tab, str] = {"training": "Training", "evaluation": "Evaluation"}
BAR_HEIGHT = 34
LEAST_HEIGHT = 94
"""Of the open drawer, its bar included."""


class TabButton(QAbstractButton):
    """A name with a line below it where its tab is open."""

    def __init__(self, tab: Tab, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tab = tab
        self._ring = False
        self.setText(_TITLES[tab])
        self.setCheckable(True)
        self.setAccessibleName(f"{_TITLES[tab]} tab")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        width = QFontMetricsF(theming.font(bold=True)).horizontalAdvance(self.text())
        return QSize(int(width) + 2 * GAP + 2, BAR_HEIGHT - 1)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme = theming.current()
        painter = QPainter(self)
        bright = self.isChecked() or self.underMouse()
        painter.setFont(theming.font(bold=self.isChecked()))
        painter.setPen(QColor(theme.text if bright else theme.muted))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self.text())
        if self.isChecked():
            painter.fillRect(QRectF(GAP, self.height() - 2, self.width() - 2 * GAP, 2), QColor(theme.accent))
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor(theme.accent), 1.5))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1.5, 4.5, -1.5, -4.5), TIGHT, TIGHT)


class Drawer(QWidget):
    """Shows what it is told; which tab is open is its own affair, and said by `openChanged`."""

    openChanged = Signal(str)
    """The tab that is open now; "": it has been closed."""
    leaving = Signal()
    """It closes, and the focus is in it: whoever listens takes it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tab: Tab = "training"
        self._open = False
        self.setAccessibleName("Training and evaluation")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.toggle_button = FlatButton("chevron-up", "Open the drawer (Ctrl+Shift+T)", size=22)
        self.tab_buttons = {tab: TabButton(tab) for tab in TABS}
        self.summary = Summary()
        self.reason = Reason()
        self.training = TrainingTab()
        self.evaluation = EvaluationTab()
        self.pages = QStackedWidget()
        for page in (self.training, self.evaluation):
            self.pages.addWidget(page)

        bar = QHBoxLayout()
        bar.setContentsMargins(GAP, 0, PAD, 0)
        bar.setSpacing(TIGHT)
        bar.addWidget(self.toggle_button)
        for button in self.tab_buttons.values():
            bar.addWidget(button)
            button.clicked.connect(self._tab_clicked)
        bar.addSpacing(PAD)
        bar.addWidget(self.summary, 1)
        bar.addWidget(self.reason, 1)
        self.bar = QWidget()
        self.bar.setFixedHeight(BAR_HEIGHT - 1)
        self.bar.setLayout(bar)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.bar)
        column.addWidget(_rule())
        column.addWidget(self.pages, 1)
        self.toggle_button.clicked.connect(self.toggle)
        theming.notifier().changed.connect(self.update)
        self._show()

    @property
    def tab(self) -> Tab:
        """The one that is open, or that was last."""
        return self._tab

    @property
    def is_open(self) -> bool:
        return self._open

    def show_tab(self, tab: Tab) -> None:
        """Open the drawer at a tab."""
        if not self._open or tab != self._tab:
            self._open, self._tab = True, tab
            self._show()
            self.openChanged.emit(tab)

    def shut(self) -> None:
        if self._open:
            if (inside := self.window().focusWidget()) is not None and self.isAncestorOf(inside):
                self.leaving.emit()  # before it is hidden
            self._open = False
            self._show()
            self.openChanged.emit("")

    @Slot()
    def toggle(self) -> None:
        if self._open:
            self.shut()
        else:
            self.show_tab(self._tab)

    @Slot()
    def _tab_clicked(self) -> None:
        button = self.sender()
        if isinstance(button, TabButton):
            if self._open and button.tab == self._tab:
                self.shut()
            else:
                self.show_tab(button.tab)
            self._show()  # a click has turned the button by itself

    def _show(self) -> None:
        self.pages.setVisible(self._open)
        self.pages.setCurrentIndex(TABS.index(self._tab))
        for tab, button in self.tab_buttons.items():
            button.setChecked(self._open and tab == self._tab)
        numbers_below = self._open and self._tab == "training"
        self.summary.setVisible(not numbers_below)
        self.reason.setVisible(numbers_below)
        self.toggle_button.set_icon("chevron-down" if self._open else "chevron-up")
        words = "Close the drawer (Ctrl+Shift+T)" if self._open else "Open the drawer (Ctrl+Shift+T)"
        self.toggle_button.setToolTip(words)
        self.toggle_button.setAccessibleName(words)
        if self._open:
            self.setMaximumHeight(16_777_215)
            self.setMinimumHeight(LEAST_HEIGHT)
        else:
            self.setFixedHeight(BAR_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), QColor(theming.current().surface))


def _rule() -> QFrame:
    line = QFrame()
    line.setProperty("role", "rule")
    line.setFixedHeight(1)
    return line
