"""Which actions can be done now, which are ticked, and what undo and redo are called."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction

from explorer.actions import ACTIONS
from explorer.bindings.parts import Parts
from explorer.bindings.tape import TapeBinding
from explorer.settings import ThemeChoice

_ANYWHERE = ("larger", "smaller", "usual_size", "full_screen")
"""Of the View menu, on the start page too."""


class Available(QObject):
    """Follows the document, the tape and the window."""

    def __init__(
        self,
        parts: Parts,
        tape: TapeBinding,
        theme: ThemeChoice,
        actions: Mapping[str, QAction],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window, self._document, self._actions = window, document, actions = parts.window, parts.document, actions
        actions[f"theme_{theme}"].setChecked(True)
        for changed in (
            document.undo_stack.canUndoChanged,
            document.undo_stack.canRedoChanged,
            document.undo_stack.indexChanged,
        ):
            changed.connect(self._show_undo)
        document.viewChanged.connect(self._show_granularity)
        document.opened.connect(self._show_enabled)
        document.opened.connect(self._show_granularity)
        window.pages.currentChanged.connect(self._show_enabled)
        window.panelsChanged.connect(self._show_panels)
        window.fullScreenChanged.connect(actions["full_screen"].setChecked)
        window.drawer.openChanged.connect(self._show_drawer)
        tape.atEndChanged.connect(self._show_at_end)
        self._show_at_end(tape.at_end)
        self._show_granularity()
        self._show_enabled()
        self._show_panels()

    @Slot()
    def _show_panels(self) -> None:
        """What is ticked is on screen."""
        window = self._window
        panels = {"show_model": window.dock_area, "show_cell": window.cell, "show_analysis": window.analysis}
        for name, panel in panels.items():
            self._actions[name].setChecked(window.is_shown(panel))

    @Slot()
    def _show_undo(self) -> None:
        stack = self._document.undo_stack
        for name, can, words in (
            ("undo", stack.canUndo(), stack.undoText()),
            ("redo", stack.canRedo(), stack.redoText()),
        ):
            entry = self._actions[name]
            entry.setEnabled(can)
            entry.setText(f"&{name.capitalize()} {words}".rstrip())

    @Slot()
    def _show_granularity(self) -> None:
        self._actions[f"by_{self._document.view.granularity}"].setChecked(True)

    @Slot(str)
    def _show_drawer(self, tab: str) -> None:
        self._actions["show_drawer"].setChecked(bool(tab))

    @Slot(str)
    def _show_at_end(self, at_end: str) -> None:
        self._actions[f"at_end_{at_end}"].setChecked(True)

    @Slot()
    def _show_enabled(self) -> None:
        on_bench = not self._window.on_start_page
        for action in ACTIONS:
            of_bench = action.menu in ("Tape", "Training", "Track", "Edit", "Model", "View") and action.id not in (
                "palette",
                "stop",
            )
            if of_bench and not action.group and action.id not in _ANYWHERE:
                self._actions[action.id].setEnabled(on_bench)
        recorded = self._document.state.recorded is not None
        for name in ("save", "save_as"):
            self._actions[name].setEnabled(not recorded)
        of_experiments = (
            "next_iteration",
            "previous_iteration",
            *(a.id for a in ACTIONS if a.menu in ("Model", "Training")),
        )
        self._actions["open_data"].setEnabled(not recorded)
        for name in of_experiments:
            self._actions[name].setEnabled(on_bench and not recorded)
        self._actions["export_picture"].setEnabled(on_bench)
        self._actions["reset"].setEnabled(on_bench and bool(self._document.preset or self._document.path))
        if on_bench:
            self._show_undo()
