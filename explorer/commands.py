"""What each action does: one slot `do_<id>` per row of explorer/actions.py."""

from __future__ import annotations

from PySide6.QtCore import QObject, QPoint, Qt, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QMessageBox

from engine.quantities import CELL_TITLES
from engine.tape import Phase
from explorer import menus
from explorer.actions import ACTIONS
from explorer.bindings import Bindings
from explorer.controller import Controller
from explorer.document.document import Document
from explorer.document.tracks import offers
from explorer.files import Files
from explorer.player import Player
from explorer.theme.choice import ThemeKeeper
from explorer.window import MainWindow

_ABOUT = (
    "<h3>Gradient Flow Explorer {version}</h3>"
    "<p>See where the gradient goes in a recurrent network.</p>"
    "<p>Every gradient on screen is exact: derived by hand, checked against autograd.</p>"
    "<p>MIT licence. Fonts: Inter (SIL OFL), DejaVu Sans (Bitstream Vera licence).</p>"
)


class Commands(QObject):
    def __init__(
        self,
        window: MainWindow,
        document: Document,
        controller: Controller,
        player: Player,
        bindings: Bindings,
        files: Files,
        themes: ThemeKeeper,
    ) -> None:
        super().__init__(window)
        self._window, self._document, self._controller, self._player = window, document, controller, player
        self._bindings, self._files, self._themes = bindings, files, themes
        self.actions: dict[str, QAction] = menus.build(window, self, window.stage)
        document.undo_stack.canUndoChanged.connect(self._show_undo)
        document.undo_stack.canRedoChanged.connect(self._show_undo)
        document.undo_stack.indexChanged.connect(self._show_undo)
        document.opened.connect(self._show_enabled)
        window.pages.currentChanged.connect(self._show_enabled)
        window.stage.addTrackRequested.connect(self.do_add_track)
        self.actions["show_model"].setChecked(True)
        self.actions["show_cell"].setChecked(True)
        self.actions[f"theme_{themes.choice}"].setChecked(True)
        self._show_enabled()

    # -- what can be done now -----------------------------------------------------------------------------------------

    @Slot()
    def _show_undo(self) -> None:
        stack = self._document.undo_stack
        for name, can, words in (
            ("undo", stack.canUndo(), stack.undoText()),
            ("redo", stack.canRedo(), stack.redoText()),
        ):
            entry = self.actions[name]
            entry.setEnabled(can)
            entry.setText(f"&{name.capitalize()} {words}".rstrip())

    @Slot()
    def _show_enabled(self) -> None:
        on_bench = not self._window.on_start_page
        for action in ACTIONS:
            if action.menu in ("Tape", "Edit", "View") and not action.group and action.id not in ("palette", "stop"):
                self.actions[action.id].setEnabled(on_bench)
        recorded = self._document.state.recorded is not None
        for name in ("save", "save_as"):
            self.actions[name].setEnabled(not recorded)
        for name in ("next_iteration", "previous_iteration"):
            self.actions[name].setEnabled(on_bench and not recorded)
        self.actions["export_picture"].setEnabled(on_bench)
        self.actions["reset"].setEnabled(on_bench and bool(self._document.preset or self._document.path))
        if on_bench:
            self._show_undo()

    # -- File ---------------------------------------------------------------------------------------------------------

    @Slot()
    def do_start_page(self) -> None:
        self._player.pause()
        self._files.show_start_page()

    @Slot()
    def do_new(self) -> None:
        self._files.new()

    @Slot()
    def do_open(self) -> None:
        self._files.open_dialog()

    @Slot()
    def do_save(self) -> None:
        self._files.save()

    @Slot()
    def do_save_as(self) -> None:
        self._files.save_as()

    @Slot()
    def do_export_picture(self) -> None:
        self._files.export_picture()

    @Slot()
    def do_reset(self) -> None:
        self._files.reset()

    @Slot()
    def do_quit(self) -> None:
        self._window.close()

    # -- Edit ---------------------------------------------------------------------------------------------------------

    @Slot()
    def do_undo(self) -> None:
        self._window.dock.restore()
        self._document.undo_stack.undo()

    @Slot()
    def do_redo(self) -> None:
        self._window.dock.restore()
        self._document.undo_stack.redo()

    @Slot()
    def do_add_track(self) -> None:
        """A menu of everything there is to see; what is shown already has a tick and is taken away by it."""
        excerpt = self._controller.excerpt
        if excerpt is None:
            return
        shown = self._document.state.tracks
        menu = QMenu(self._window.stage)
        menu.setToolTipsVisible(True)
        submenus: dict[str, QMenu] = {}
        for offer in offers(excerpt.cell, excerpt.readout, excerpt.of().layer_norm):
            if offer.group and offer.group not in submenus:
                submenus[offer.group] = menu.addMenu(offer.group)
            entry = (submenus[offer.group] if offer.group else menu).addAction(offer.words)
            entry.setCheckable(True)
            entry.setChecked(offer.key in shown)
            entry.setData(offer.key)
        menu.triggered.connect(self._track_chosen)
        menu.setAccessibleName(f"Tracks of the {CELL_TITLES[excerpt.cell]}")
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self._window.stage.mapToGlobal(self._add_track_place()))

    def _add_track_place(self) -> QPoint:
        stage = self._window.stage
        return QPoint(24, max(40, stage.height() - 260))

    @Slot(QAction)
    def _track_chosen(self, entry: QAction) -> None:
        key = entry.data()
        if key in self._document.state.tracks:
            self._bindings.remove_track(key)
        else:
            self._bindings.add_track(key)

    @Slot()
    def do_palette(self) -> None:
        palette = menus.Palette(self.actions, self._window)
        palette.finished.connect(self._palette_closed)
        palette.open()

    @Slot(int)
    def _palette_closed(self, _result: int) -> None:
        palette = self.sender()
        if isinstance(palette, menus.Palette):
            palette.deleteLater()
            if palette.chosen:
                self.actions[palette.chosen].trigger()

    # -- Tape ---------------------------------------------------------------------------------------------------------

    @Slot()
    def do_play(self) -> None:
        self._bindings.toggle_play()

    @Slot()
    def do_step_forward(self) -> None:
        self._bindings.step(1)

    @Slot()
    def do_step_back(self) -> None:
        self._bindings.step(-1)

    @Slot()
    def do_next_phase(self) -> None:
        self._player.pause()
        self._controller.step_phase(1)

    @Slot()
    def do_previous_phase(self) -> None:
        self._player.pause()
        self._controller.step_phase(-1)

    @Slot()
    def do_to_start(self) -> None:
        self._bindings.to_start()

    @Slot()
    def do_to_end(self) -> None:
        self._bindings.to_end()

    def _go(self, phase: Phase) -> None:
        self._bindings.scrub(self._document.tape.span(phase)[0])

    @Slot()
    def do_to_forward(self) -> None:
        self._go(Phase.FORWARD)

    @Slot()
    def do_to_loss(self) -> None:
        self._go(Phase.LOSS)

    @Slot()
    def do_to_backward(self) -> None:
        self._go(Phase.BACKWARD)

    @Slot()
    def do_to_clip(self) -> None:
        self._go(Phase.CLIP)

    @Slot()
    def do_to_update(self) -> None:
        self._go(Phase.UPDATE)

    @Slot()
    def do_next_event(self) -> None:
        self._step_event(1)

    @Slot()
    def do_previous_event(self) -> None:
        self._step_event(-1)

    def _step_event(self, direction: int) -> None:
        self._player.pause()
        if not self._controller.step_event(direction):
            where = "after" if direction > 0 else "before"
            self._window.statusBar().showMessage(f"There is no event {where} this moment.", 3000)

    @Slot()
    def do_stop(self) -> None:
        """Esc: stop what is computed, or leave the start page for the document behind it."""
        if self._window.on_start_page:
            self._window.show_workbench()
        else:
            self._controller.cancel()

    @Slot()
    def do_next_iteration(self) -> None:
        view = self._document.view
        self._bindings.pick_iteration(view.iteration + 1)

    @Slot()
    def do_previous_iteration(self) -> None:
        view = self._document.view
        if view.iteration > 0:
            self._bindings.pick_iteration(view.iteration - 1)

    # -- View ---------------------------------------------------------------------------------------------------------

    @Slot()
    def do_zoom_in(self) -> None:
        self._window.stage.zoom(2.0)

    @Slot()
    def do_zoom_out(self) -> None:
        self._window.stage.zoom(0.5)

    @Slot()
    def do_fit(self) -> None:
        self._window.stage.fit()

    @Slot(bool)
    def do_show_model(self, shown: bool) -> None:
        self._window.dock_area.setVisible(shown)

    @Slot(bool)
    def do_show_cell(self, shown: bool) -> None:
        self._window.cell.setVisible(shown)

    @Slot()
    def do_focus_stage(self) -> None:
        self._window.stage.setFocus(Qt.FocusReason.ShortcutFocusReason)

    @Slot()
    def do_theme_system(self) -> None:
        self._themes.choose("system")

    @Slot()
    def do_theme_light(self) -> None:
        self._themes.choose("light")

    @Slot()
    def do_theme_dark(self) -> None:
        self._themes.choose("dark")

    # -- Help ---------------------------------------------------------------------------------------------------------

    @Slot()
    def do_shortcuts(self) -> None:
        sheet = menus.ShortcutSheet(self._window)
        sheet.finished.connect(sheet.deleteLater)
        sheet.open()

    @Slot()
    def do_about(self) -> None:
        from importlib.metadata import version

        box = QMessageBox(self._window)
        box.setWindowTitle("About")
        box.setText(_ABOUT.format(version=version("gradient-flow-explorer")))
        box.finished.connect(box.deleteLater)
        box.open()
