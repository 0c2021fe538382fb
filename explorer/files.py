"""Opening and saving: presets, sessions, recorded traces. A file is read whole and checked before anything changes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QCloseEvent, QIcon
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QFileDialog, QLineEdit, QMessageBox

from engine import presets
from engine.errors import EngineError
from engine.presets import Preset
from engine.requests import Excerpt
from engine.session import Session, fitting, left_out
from explorer import backups, endings, reopening, sizes
from explorer import settings as stored
from explorer.controller import Controller
from explorer.document import opening
from explorer.document.document import Document
from explorer.document.opening import Opening
from explorer.document.saving import whole_session
from explorer.document.state import State
from explorer.saver import Saver, is_large
from explorer.settings import Settings
from explorer.stamps import stamp_of
from explorer.window import MainWindow

if TYPE_CHECKING:
    from explorer.start.page import StartPage

_FILTER = "Gradient Flow Explorer (*.gflow)"
_DATA_FILTER = f"Data ({' '.join(f'*{ending}' for ending in endings.DATA)})"


class Files(QObject):
    """The File menu's work."""

    settingsChanged = Signal(object)
    dataChosen = Signal(str)
    """A file with somebody's own data, which is looked at before it is used."""

    def __init__(
        self, window: MainWindow, document: Document, controller: Controller, settings: Settings, *, remember: bool
    ) -> None:
        super().__init__(window)
        self._window, self._document, self._controller = window, document, controller
        self._settings, self._remember = settings, remember
        self._unproven: Session | None = None
        self._saver = Saver(self)
        self._voice = window.stage.banner.voice()
        self._went_well = True
        self._told_of_backups = False
        self._as_left = ""
        """The stamp of what was read from the document's file, or written into it, here."""
        self._scale = sizes.in_force()
        self._data_folder = str(Path.home())
        controller.excerptChanged.connect(self._compare)
        self._page: StartPage | None = None
        window.fileDropped.connect(self.open_path)
        window.closing.connect(self._window_closing)

    @property
    def settings(self) -> Settings:
        return self._settings

    def set_settings(self, settings: Settings) -> None:
        self._settings = settings
        if self._remember:
            stored.save(settings)

    # -- start page ---------------------------------------------------------------------------------------------------

    def _made_page(self) -> StartPage:
        if self._page is None:
            self._page = page = self._window.start_page
            page.presetChosen.connect(self.open_preset)
            page.newRequested.connect(self.new)
            page.openRequested.connect(self.open_dialog)
            page.openDataRequested.connect(self.open_data_dialog)
            page.recentChosen.connect(self.open_path)
            page.backRequested.connect(self._window.show_workbench)
        return self._page

    @Slot()
    def show_start_page(self) -> None:
        """With the presets and the recent files as they are now."""
        from explorer.start.page import CardData, RecentData

        page = self._made_page()
        try:
            found = [preset for preset in presets.load_all() if presets.can_be_opened(preset)]
            cards = [CardData(p.slug, p.title, p.tag, p.text, p.curve, _clip_norm(p)) for p in found]
        except EngineError as error:
            cards = []
            self._complain("The presets cannot be read", str(error))
        page.set_presets(cards)
        page.set_recent([RecentData(r.path, r.title, r.opened, Path(r.path).is_file()) for r in self._settings.recent])
        page.set_back((self._document.title or "Untitled") if self._controller.excerpt is not None else "")
        self._window.show_start_page()

    # -- opening ------------------------------------------------------------------------------------------------------

    @Slot()
    def new(self) -> None:
        self._after_saving(partial(self.show, opening.of_nothing()))

    @Slot(str)
    def open_preset(self, slug: str) -> None:
        self._after_saving(partial(self._read, partial(self._preset, slug)))

    @Slot(str)
    def open_path(self, path: str) -> None:
        if endings.is_data(Path(path)):
            self.dataChosen.emit(path)
            return
        read = opening.of_experiment if path.lower().endswith(endings.EXPERIMENT) else opening.of_path
        self._after_saving(partial(self._read, partial(read, Path(path))))

    @Slot()
    def open_dialog(self) -> None:
        dialog = QFileDialog(self._window, "Open", self._folder(), f"{_FILTER};;{backups.FILTER};;All files (*)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.open_path)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot()
    def open_data_dialog(self) -> None:
        dialog = QFileDialog(self._window, "Open data", self._data_folder, f"{_DATA_FILTER};;All files (*)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self._data_selected)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str)
    def _data_selected(self, path: str) -> None:
        self._data_folder = os.path.dirname(path)
        self.dataChosen.emit(path)

    @Slot()
    def reset(self) -> None:
        """Back to the preset or the file as it was opened; what was changed can be saved first."""
        if self._document.path:
            self.open_path(self._document.path)
        elif self._document.preset:
            self.open_preset(self._document.preset)

    def show(self, found: Opening) -> None:
        """Put an opening on screen."""
        self._window.show_workbench()
        self._window.stage.set_prompt(found.prompt)
        self._window.stage.banner.clear()  # it was about the one before; of this one something may be wrong at once
        self._unproven = found.saved
        found.into(self._document)
        self._as_left = found.stamp
        if found.path:
            self._add_recent(found.path, found.title)

    @Slot(object)
    def _compare(self, excerpt: Excerpt | None) -> None:
        """The first picture of an opened session against what was shown when it was saved."""
        if excerpt is None or self._unproven is None:
            return
        saved, self._unproven = self._unproven, None
        said = [saved.newer] if saved.newer else []
        if different := saved.differences(excerpt.fingerprint):
            said.append(_difference(saved, excerpt, different))
        if said:
            self._voice.say(" ".join(said))

    def _preset(self, slug: str) -> Opening:
        return opening.of_preset(presets.load(slug))

    def _read(self, read: Callable[[], Opening]) -> None:
        try:
            found = read()
        except EngineError as error:
            self._complain("It could not be opened", str(error))
        else:
            self.show(found)

    # -- saving -------------------------------------------------------------------------------------------------------

    @Slot()
    def save(self) -> bool:
        """True if the session has been saved, or is being saved: of a large one see `finish_saving`."""
        commit_typing()
        path = self._document.path
        if not path:
            return self.save_as()
        self.finish_saving()
        if stamp_of(path) in (self._as_left, None):
            return self._save_to(path)
        answer = self._ask_about_newer(path)
        return self.save_as() if answer == "as" else answer == "over" and self._save_to(path)

    @Slot()
    def save_as(self) -> bool:
        """Asks for a name. True as `save`."""
        commit_typing()
        name = self._document.path or os.path.join(self._folder(), f"{self._document.title or 'Untitled'}.gflow")
        path, _ = QFileDialog.getSaveFileName(self._window, "Save the session", name, _FILTER)
        if not path:
            return False
        return self._save_to(path if path.endswith(".gflow") else f"{path}.gflow")

    def _save_to(self, path: str) -> bool:
        self.finish_saving()
        try:
            whole = whole_session(self._document, self._controller.excerpt)
        except EngineError as error:
            self._complain("It could not be saved", str(error))
            return False
        found = fitting(whole)
        self._window.status.set_saved("saving…")
        done = partial(self._saved, path, self._document.state, left_out(whole, found))
        self._saver.begin(found, Path(path), done)
        return is_large(found) or self.finish_saving()

    def finish_saving(self) -> bool:
        """Wait for what is being saved; whether that went well."""
        self._saver.finish()
        return self._went_well

    def _saved(self, path: str, state: State, missing: str, problem: str, stamp: str) -> None:
        """`state`: that was saved. What has been done since is not in the file, and neither is what it had no room
        for: `missing`, in a sentence."""
        self._went_well = not problem
        if problem:
            self._window.status.set_saved("")
            self._complain("It could not be saved", problem)
            return
        self._as_left = stamp
        self._document.saved(path, Path(path).stem, state)
        self._say_saved(backups.beside(path), missing)
        self._add_recent(path, Path(path).stem)

    def _say_saved(self, backup: Path | None, missing: str) -> None:
        """On hovering what is not in the file, and where the former version is; the first each time, as somebody may
        want another file to go with this one, and the second once, so that everybody knows of it."""
        kept = "" if backup is None else backups.sentence(backup)
        self._window.status.set_saved(time.strftime("saved %H:%M"), tip=" ".join(filter(None, (missing, kept))))
        said = missing or ("" if self._told_of_backups else kept)
        self._told_of_backups = self._told_of_backups or said == kept != ""
        if said:
            self._window.statusBar().showMessage(f"Saved. {said}", 10_000)

    @Slot()
    def export_picture(self) -> None:
        name = os.path.join(self._folder(), f"{self._document.title or 'gradient-flow'}.png")
        path, _ = QFileDialog.getSaveFileName(self._window, "Export a picture", name, "PNG (*.png)")
        if path and not self._window.grab().save(path, "PNG"):
            self._complain("It could not be exported", f"{path} cannot be written; choose another place.")

    # -- unsaved work -------------------------------------------------------------------------------------------------

    def _after_saving(self, then: Callable[[], None]) -> None:
        """Do something that replaces the document, once somebody has said what becomes of unsaved work."""
        if self._may_leave():
            then()

    def _may_leave(self) -> bool:
        """Whether nothing would be lost, or somebody has said that it may be."""
        commit_typing()
        self.finish_saving()
        if not self._document.dirty:
            return True
        answer = self._ask_about_changes()
        buttons = QMessageBox.StandardButton
        return answer == buttons.Discard or (answer == buttons.Save and self.save() and self.finish_saving())

    def _ask_about_changes(self) -> int:
        box = QMessageBox(self._window)
        box.setWindowTitle("Unsaved changes")
        box.setText(f"Save the changes to “{self._document.title or 'Untitled'}” first?")
        box.setInformativeText(at_stake(self._document.state, bool(self._document.path)))
        buttons = QMessageBox.StandardButton
        box.setStandardButtons(buttons.Save | buttons.Discard | buttons.Cancel)
        box.setDefaultButton(buttons.Save)
        for kind, words in ((buttons.Save, "&Save"), (buttons.Discard, "&Discard"), (buttons.Cancel, "&Cancel")):
            button = box.button(kind)
            button.setText(words)
            button.setIcon(QIcon())  # a style's own are made for another look, and blurred
        answer = box.exec()
        box.deleteLater()
        return answer

    def _ask_about_newer(self, path: str) -> Literal["as", "over", ""]:
        """Another window, or a training on the command line, has written to the document's file since."""
        answer = self._which(
            "The file is another one",
            f"“{Path(path).name}” has been changed since it was opened or saved here.",
            "Saving over it would lose what another window or program has written into it.",
            ("Save &As…", "Save &Over It"),
        )
        return "as" if answer == 0 else "over" if answer == 1 else ""

    def _which(self, title: str, text: str, more: str, ways: tuple[str, str]) -> int | None:
        """Which of two ways somebody takes, from 0, the first by Enter; None: neither."""
        box = QMessageBox(self._window)
        box.setWindowTitle(title)
        box.setText(text)
        box.setInformativeText(more)
        roles = (QMessageBox.ButtonRole.AcceptRole, QMessageBox.ButtonRole.ActionRole)
        buttons = [box.addButton(words, role) for words, role in zip(ways, roles, strict=True)]
        cancel = box.addButton(QMessageBox.StandardButton.Cancel)
        cancel.setText("&Cancel")
        cancel.setIcon(QIcon())
        box.setDefaultButton(buttons[0])
        box.exec()
        answer = box.clickedButton()
        box.deleteLater()
        return next((n for n, button in enumerate(buttons) if answer is button), None)

    @Slot(QCloseEvent)
    def _window_closing(self, event: QCloseEvent) -> None:
        # Answered here and now: a close() from inside a close event would be ignored.
        event.setAccepted(self._may_leave())

    # -- the size of everything ---------------------------------------------------------------------------------------

    def reopen_at(self, scale: int) -> None:
        """Choose the size of everything. Qt reads it when it starts, so the window is opened anew, with the document as
        it is; or it is left to the next start."""
        if scale == self._scale == sizes.in_force():
            self._window.statusBar().showMessage(sizes.where(scale), 4000)
            return
        commit_typing()
        answer = self._which(
            "Size of everything",
            f"Show everything at {scale} %?",
            "The window closes and opens again at once in that size. What you are working on comes along as it is, "
            "unsaved changes and trained weights too, and stays unsaved; only the list of what can be undone "
            "begins anew.",
            ("Open Anew &Now", "At the Next &Start"),
        )
        if answer == 1:
            self._set_scale(scale)
            self._window.statusBar().showMessage(f"At the next start everything is shown at {scale} %.", 5000)
        elif answer == 0:
            self._open_anew(scale)

    def _open_anew(self, scale: int) -> None:
        try:
            reopening.hand_over(self._document, self._controller.excerpt, scale, self._as_left)
        except EngineError as error:
            self._complain("The window cannot be opened anew now", f"{error} Or choose “At the Next Start”.")
            return
        self._set_scale(scale)
        QApplication.exit(reopening.STATUS)

    @property
    def scale(self) -> int:
        """The size that is shown, or that has been chosen for the next start."""
        return self._scale

    def _set_scale(self, scale: int) -> None:
        self._scale = scale
        self.set_settings(msgspec.structs.replace(self._settings, scale=scale))

    # -- small things -------------------------------------------------------------------------------------------------

    def _add_recent(self, path: str, title: str) -> None:
        self.set_settings(stored.with_recent(self._settings, os.path.abspath(path), title, time.time()))

    def _folder(self) -> str:
        if self._document.path:
            return os.path.dirname(self._document.path)
        return os.path.dirname(self._settings.recent[0].path) if self._settings.recent else str(Path.home())

    def _complain(self, title: str, sentence: str) -> None:
        """One sentence in a box that does not stop the program."""
        none = QMessageBox.Icon.NoIcon
        box = QMessageBox(none, title, sentence, QMessageBox.StandardButton.Ok, self._window)
        box.button(QMessageBox.StandardButton.Ok).setIcon(QIcon())
        box.finished.connect(box.deleteLater)
        box.open()


def _clip_norm(preset: Preset) -> float | None:
    clip = preset.experiment.training.clip
    return clip.max_norm if clip.kind == "norm" else None


def at_stake(state: State, saved: bool) -> str:
    """What would be lost with the document as it is; `saved`: it has a file."""
    beforehand = 0 if state.experiment is None else state.experiment.training.iterations
    if saved:
        since = "What has been done since it was last saved would be lost"
        return f"{since}; training stands at iteration {state.furthest:,}." if state.furthest else f"{since}."
    done = state.furthest - beforehand
    if done <= 0:
        return "It has no file yet: what has been changed would be lost."
    return f"It has no file yet: {done:,} trained iteration{'s' if done != 1 else ''} would be lost."


def commit_typing() -> None:
    """What stands in a field counts, also before Enter has been pressed."""
    field = QApplication.focusWidget()
    if isinstance(field, (QLineEdit, QAbstractSpinBox)):
        field.clearFocus()
        field.setFocus()


def _difference(saved: Session, excerpt: Excerpt, different: tuple[str, ...]) -> str:
    """What differs from the saved numbers, by how much, and what wrote them."""
    worst, found = 0.0, excerpt.fingerprint
    for key in different:
        old, new = saved.fingerprint[key], found.get(key)
        if new is None or old.shape != new.shape:
            worst = float("inf")
            continue
        with np.errstate(all="ignore"):
            error = np.abs(new - old) / np.abs(old)
        worst = max(worst, float(np.nanmax(error, initial=0.0)))
    wrote = saved.written_with.get("torch", "another version")
    return (
        f"These numbers differ from those that were saved (torch {wrote}, {saved.device or 'unknown device'}): "
        f"{len(different)} of {len(saved.fingerprint)} quantities, by up to {worst:.1e} relative."
    )
