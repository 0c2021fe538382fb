"""The View menu: the steps on screen, pins, the panels, sizes and the theme."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QAction

from explorer import sizes
from explorer.bindings import Bindings
from explorer.bindings.parts import Parts
from explorer.files import Files
from explorer.theme.choice import ThemeKeeper


class ViewCommands(QObject):
    def __init__(
        self,
        parts: Parts,
        bindings: Bindings,
        files: Files,
        themes: ThemeKeeper,
        actions: Mapping[str, QAction],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window, self._stage, self._pins = parts.window, parts.window.stage, bindings.pins
        self._files, self._themes, self._actions = files, themes, actions

    @Slot()
    def do_zoom_in(self) -> None:
        self._stage.time_range.zoom(2.0)

    @Slot()
    def do_zoom_out(self) -> None:
        self._stage.time_range.zoom(0.5)

    @Slot()
    def do_fit(self) -> None:
        self._stage.time_range.fit()

    @Slot()
    def do_show_steps(self) -> None:
        if self._stage.excerpt is None:
            return
        from explorer.stage.steps_dialog import StepsDialog

        dialog = StepsDialog(self._stage.time_range.shown, self._stage.excerpt.steps, self._window)
        dialog.accepted.connect(self._show_chosen_steps)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot()
    def _show_chosen_steps(self) -> None:
        from explorer.stage.steps_dialog import StepsDialog

        dialog = self.sender()
        if isinstance(dialog, StepsDialog):
            self._stage.time_range.show(*dialog.span)

    @Slot()
    def do_pin(self) -> None:
        self._pins.pin()

    @Slot()
    def do_unpin(self) -> None:
        self._pins.unpin()

    @Slot()
    def do_pan_earlier(self) -> None:
        self._stage.time_range.pan(-0.25)

    @Slot()
    def do_pan_later(self) -> None:
        self._stage.time_range.pan(0.25)

    @Slot(bool)
    def do_show_model(self, shown: bool) -> None:
        self._window.show_panel(self._window.dock_area, shown)

    @Slot(bool)
    def do_show_cell(self, shown: bool) -> None:
        self._window.show_panel(self._window.cell, shown)

    @Slot(bool)
    def do_show_analysis(self, shown: bool) -> None:
        self._window.show_panel(self._window.analysis, shown)

    @Slot(bool)
    def do_show_drawer(self, shown: bool) -> None:
        drawer = self._window.drawer
        if shown != drawer.is_open:
            drawer.toggle()

    @Slot()
    def do_focus_stage(self) -> None:
        self._stage.setFocus(Qt.FocusReason.ShortcutFocusReason)

    @Slot()
    def do_focus_model(self) -> None:
        self._window.show_panel(self._window.dock_area, True)
        self._window.dock.stack.take_focus()

    @Slot()
    def do_larger(self) -> None:
        self._files.reopen_at(sizes.larger(self._files.scale))

    @Slot()
    def do_smaller(self) -> None:
        self._files.reopen_at(sizes.smaller(self._files.scale))

    @Slot()
    def do_usual_size(self) -> None:
        self._files.reopen_at(sizes.USUAL)

    @Slot()
    def do_full_screen(self) -> None:
        self._window.setWindowState(self._window.windowState() ^ Qt.WindowState.WindowFullScreen)

    @Slot()
    def do_theme_system(self) -> None:
        self._themes.choose("system")

    @Slot()
    def do_theme_light(self) -> None:
        self._themes.choose("light")

    @Slot()
    def do_theme_dark(self) -> None:
        self._themes.choose("dark")
