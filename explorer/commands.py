"""What each action does: one slot `do_<id>` per row of explorer/actions.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMessageBox, QWidget

from engine.tape import Phase
from explorer import menus, sizes
from explorer.actions import ACTIONS
from explorer.bindings import Bindings
from explorer.controller import Controller
from explorer.document.document import Document
from explorer.files import Files
from explorer.lists import Lists
from explorer.player import Player
from explorer.theme.choice import ThemeKeeper
from explorer.window import MainWindow

if TYPE_CHECKING:
    from explorer.help.glossary import Glossary

_ABOUT = (
    "<h3>Gradient Flow Explorer {version}</h3>"
    "<p>See where the gradient goes in a recurrent network.</p>"
    "<p>Every gradient on screen is exact: derived by hand, checked against autograd.</p>"
    "<p>MIT licence. Fonts: Inter (SIL OFL), DejaVu Sans (Bitstream Vera licence).</p>"
)
_ANYWHERE = ("larger", "smaller", "usual_size", "full_screen")
"""Of the View menu, on the start page too."""


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
        self._words: Glossary | None = None
        self._lists = Lists(window, document, controller, bindings)
        self.actions: dict[str, QAction] = menus.build(window, self, window.stage, window.dock.stack)
        document.undo_stack.canUndoChanged.connect(self._show_undo)
        document.undo_stack.canRedoChanged.connect(self._show_undo)
        document.undo_stack.indexChanged.connect(self._show_undo)
        document.opened.connect(self._show_enabled)
        window.pages.currentChanged.connect(self._show_enabled)
        window.stage.addTrackRequested.connect(self.do_add_track)
        window.stage.events.stepRequested.connect(self._step_event)
        window.stage.events.listRequested.connect(self.do_events)
        self.actions["show_model"].setChecked(True)
        self.actions["show_cell"].setChecked(True)
        self.actions["show_analysis"].setChecked(True)
        self.actions[f"theme_{themes.choice}"].setChecked(True)
        bindings.tape.atEndChanged.connect(self._show_at_end)
        self._show_at_end(bindings.tape.at_end)
        document.viewChanged.connect(self._show_granularity)
        document.opened.connect(self._show_granularity)
        self._show_granularity()
        window.fullScreenChanged.connect(self.actions["full_screen"].setChecked)
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
    def _show_granularity(self) -> None:
        self.actions[f"by_{self._document.view.granularity}"].setChecked(True)

    @Slot(str)
    def _show_at_end(self, at_end: str) -> None:
        self.actions[f"at_end_{at_end}"].setChecked(True)

    @Slot()
    def _show_enabled(self) -> None:
        on_bench = not self._window.on_start_page
        for action in ACTIONS:
            of_bench = action.menu in ("Tape", "Track", "Edit", "Model", "View") and action.id not in (
                "palette",
                "stop",
            )
            if of_bench and not action.group and action.id not in _ANYWHERE:
                self.actions[action.id].setEnabled(on_bench)
        recorded = self._document.state.recorded is not None
        for name in ("save", "save_as"):
            self.actions[name].setEnabled(not recorded)
        of_experiments = ("next_iteration", "previous_iteration", *(a.id for a in ACTIONS if a.menu == "Model"))
        for name in of_experiments:
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
    def do_copy(self) -> None:
        self._bindings.stage.copy()

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

    # -- Model --------------------------------------------------------------------------------------------------------

    @Slot()
    def do_add_rnn(self) -> None:
        self._window.dock.stack.add("rnn")

    @Slot()
    def do_add_lstm(self) -> None:
        self._window.dock.stack.add("lstm")

    @Slot()
    def do_add_gru(self) -> None:
        self._window.dock.stack.add("gru")

    @Slot()
    def do_layer_up(self) -> None:
        self._window.dock.stack.shift(1)

    @Slot()
    def do_layer_down(self) -> None:
        self._window.dock.stack.shift(-1)

    @Slot()
    def do_duplicate_layer(self) -> None:
        self._on_layer(self._window.dock.stack.duplicate())

    @Slot()
    def do_delete_layer(self) -> None:
        self._on_layer(self._window.dock.stack.delete())

    def _on_layer(self, done: bool) -> None:
        if not done:
            self._window.statusBar().showMessage("Choose a layer's card first: click it, or go there with Tab.", 4000)

    @Slot()
    def do_attention(self) -> None:
        self._bindings.model.read_by_attention()

    # -- Tape ---------------------------------------------------------------------------------------------------------

    @Slot()
    def do_play(self) -> None:
        self._bindings.tape.toggle_play()

    @Slot()
    def do_step_forward(self) -> None:
        self._bindings.tape.step(1)

    @Slot()
    def do_step_back(self) -> None:
        self._bindings.tape.step(-1)

    @Slot()
    def do_gate_forward(self) -> None:
        self._bindings.tape.step_gates(1)

    @Slot()
    def do_gate_back(self) -> None:
        self._bindings.tape.step_gates(-1)

    @Slot()
    def do_by_step(self) -> None:
        self._bindings.tape.pick_granularity("step")

    @Slot()
    def do_by_layer(self) -> None:
        self._bindings.tape.pick_granularity("layer")

    @Slot()
    def do_by_gate(self) -> None:
        self._bindings.tape.pick_granularity("gate")

    @Slot()
    def do_at_end_stop(self) -> None:
        self._bindings.tape.pick_at_end("stop")

    @Slot()
    def do_at_end_repeat(self) -> None:
        self._bindings.tape.pick_at_end("repeat")

    @Slot()
    def do_at_end_next(self) -> None:
        self._bindings.tape.pick_at_end("next")

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
        self._bindings.tape.to_start()

    @Slot()
    def do_to_end(self) -> None:
        self._bindings.tape.to_end()

    def _go(self, phase: Phase) -> None:
        self._bindings.tape.scrub(self._document.tape.span(phase)[0])

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
    def do_cell_above(self) -> None:
        self._bindings.cell.step_layer(1)

    @Slot()
    def do_cell_below(self) -> None:
        self._bindings.cell.step_layer(-1)

    @Slot()
    def do_smallest_gradient(self) -> None:
        self._bindings.tape.go_to_extreme(largest=False)

    @Slot()
    def do_largest_gradient(self) -> None:
        self._bindings.tape.go_to_extreme(largest=True)

    @Slot()
    def do_next_event(self) -> None:
        self._step_event(1)

    @Slot()
    def do_previous_event(self) -> None:
        self._step_event(-1)

    @Slot(int)
    def _step_event(self, direction: int) -> None:
        self._player.pause()
        if not self._controller.step_event(direction):
            self._window.statusBar().showMessage(self._no_event(direction), 4000)

    def _no_event(self, direction: int) -> str:
        """Why there is none in that direction."""
        events = self._controller.excerpt.events if self._controller.excerpt is not None else ()
        count, steps = len(events), self._document.tape.steps
        if not count:
            return "This trace has no events."
        if self._document.view.position in {event.position(steps) for event in events}:
            return f"This is the {'last' if direction > 0 else 'first'} event of {count}."
        which = "The only event lies" if count == 1 else f"All {count} events lie"
        return f"{which} behind: Shift+N goes back." if direction > 0 else f"{which} ahead: N goes on."

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
        self._bindings.tape.pick_iteration(view.iteration + 1)

    @Slot()
    def do_previous_iteration(self) -> None:
        view = self._document.view
        if view.iteration > 0:
            self._bindings.tape.pick_iteration(view.iteration - 1)

    @Slot()
    def do_events(self) -> None:
        self._lists.show_events()

    # -- Track --------------------------------------------------------------------------------------------------------

    @Slot()
    def do_add_track(self) -> None:
        self._lists.show_offers()

    @Slot()
    def do_select_above(self) -> None:
        self._window.stage.handling.select_next(-1)

    @Slot()
    def do_select_below(self) -> None:
        self._window.stage.handling.select_next(1)

    def _on_selected(self, done: bool) -> None:
        if not done:
            words = "Select a track first: with ↑ and ↓ on the stage, or by a click on its name."
            self._window.statusBar().showMessage(words, 4000)

    @Slot()
    def do_track_menu(self) -> None:
        self._on_selected(self._window.stage.handling.menu())

    @Slot()
    def do_show_table(self) -> None:
        self._on_selected(self._window.stage.handling.table())

    @Slot()
    def do_duplicate_track(self) -> None:
        self._on_selected(self._window.stage.handling.duplicate())

    @Slot()
    def do_collapse_track(self) -> None:
        self._on_selected(self._window.stage.handling.collapse())

    @Slot()
    def do_move_track_up(self) -> None:
        self._on_selected(self._window.stage.handling.move(-1))

    @Slot()
    def do_move_track_down(self) -> None:
        self._on_selected(self._window.stage.handling.move(1))

    @Slot()
    def do_taller_track(self) -> None:
        self._on_selected(self._window.stage.handling.grow(1))

    @Slot()
    def do_lower_track(self) -> None:
        self._on_selected(self._window.stage.handling.grow(-1))

    @Slot()
    def do_remove_track(self) -> None:
        self._on_selected(self._window.stage.handling.remove())

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

    @Slot()
    def do_show_steps(self) -> None:
        stage = self._window.stage
        if stage.excerpt is None:
            return
        from explorer.stage.steps_dialog import StepsDialog

        dialog = StepsDialog(stage.time_range(), stage.excerpt.steps, self._window)
        dialog.accepted.connect(self._show_chosen_steps)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot()
    def _show_chosen_steps(self) -> None:
        from explorer.stage.steps_dialog import StepsDialog

        dialog = self.sender()
        if isinstance(dialog, StepsDialog):
            self._window.stage.show_steps(*dialog.span)

    @Slot()
    def do_pin(self) -> None:
        self._bindings.pins.pin()

    @Slot()
    def do_unpin(self) -> None:
        self._bindings.pins.unpin()

    @Slot()
    def do_pan_earlier(self) -> None:
        self._window.stage.pan(-0.25)

    @Slot()
    def do_pan_later(self) -> None:
        self._window.stage.pan(0.25)

    @Slot(bool)
    def do_show_model(self, shown: bool) -> None:
        self._show_panel("show_model", self._window.dock_area, self._window.dock_area, shown)

    @Slot(bool)
    def do_show_cell(self, shown: bool) -> None:
        self._show_panel("show_cell", self._window.side, self._window.cell, shown)

    @Slot(bool)
    def do_show_analysis(self, shown: bool) -> None:
        self._show_panel("show_analysis", self._window.side, self._window.analysis, shown)

    def _show_panel(self, name: str, side: QWidget, part: QWidget, shown: bool) -> None:
        """Where its side has given way in a small window (or at a large size), asking for it brings it back."""
        back = self._window.bring_back(side)
        part.setVisible(shown or back)
        self.actions[name].setChecked(shown or back)

    @Slot()
    def do_focus_stage(self) -> None:
        self._window.stage.setFocus(Qt.FocusReason.ShortcutFocusReason)

    @Slot()
    def do_focus_model(self) -> None:
        self._window.dock_area.show()
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

    # -- Help ---------------------------------------------------------------------------------------------------------

    @Slot()
    def do_shortcuts(self) -> None:
        sheet = menus.ShortcutSheet(self._window)
        sheet.finished.connect(sheet.deleteLater)
        sheet.open()

    @Slot()
    def do_words(self) -> None:
        from explorer.help.glossary import Glossary

        if self._words is None:
            self._words = Glossary(self._window)
        self._words.show_it()

    @Slot()
    def do_about(self) -> None:
        from importlib.metadata import version

        box = QMessageBox(self._window)
        box.setWindowTitle("About")
        box.setText(_ABOUT.format(version=version("gradient-flow-explorer")))
        box.finished.connect(box.deleteLater)
        box.open()
