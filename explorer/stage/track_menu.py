"""A track's menu: what can be done with it, and its options as groups of radio items. What is chosen goes up as the
stage's signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu

from engine.requests import Excerpt
from engine.tracks import NORMS, TrackSpec, options_of, parse
from explorer.stage.scale_menu import ScaleMenu
from explorer.stage.scalebook import ScaleBook
from explorer.stage.tracks.base import as_over_training

if TYPE_CHECKING:
    from explorer.stage.stage import Stage


@dataclass(frozen=True, slots=True)
class Group:
    """A submenu: an option of engine.tracks, and the words of each of its values."""

    option: str
    words: str
    choices: tuple[tuple[str, str], ...]


SAMPLE = Group("sample", "&Samples", (("chosen", "The &chosen one"), ("mean", "&Mean over the batch")))
ORDER = Group(
    "order", "&Order of units", (("index", "By &number"), ("mean", "By &mean"), ("cluster", "&Alike ones together"))
)
SHOW = Group("show", "&Numbers", (("signed", "With their &sign"), ("magnitude", "Their &size, |·|, on a logarithm")))


def options(track: TrackSpec) -> tuple[Group, ...]:
    """The groups that a track has."""
    has = options_of(track.what)
    groups = [group for group in (SAMPLE, SHOW, ORDER) if group.option in has]
    return tuple(group for group in groups if group is not ORDER or track.unit is None)


def add_options(menu: QMenu, track: TrackSpec, excerpt: Excerpt | None) -> list[QActionGroup]:
    """Adds a submenu for each group; an action's data is the text of the track that it makes."""
    found = []
    for group in options(track):
        submenu = menu.addMenu(group.words)
        radio = QActionGroup(submenu)
        for value, words in group.choices:
            entry = submenu.addAction(words)
            entry.setCheckable(True)
            entry.setChecked(track.option(group.option) == value)
            entry.setData(str(track.having(**{group.option: value})))
            radio.addAction(entry)
        if group is SAMPLE:
            submenu.setEnabled(track.is_mean or (excerpt is not None and excerpt.batch_size > 1))
        if group is SHOW:
            submenu.setEnabled(not (track.is_gradient and track.is_mean))  # a mean of sizes has no signs
        found.append(radio)
    return found


class TrackMenu(QObject):
    """One for all tracks of a stage: it acts on the track whose menu was made last."""

    def __init__(self, stage: Stage, book: ScaleBook) -> None:
        super().__init__(stage)
        self._stage, self._key = stage, ""
        self.scales = ScaleMenu(book, stage)

    def of(self, key: str) -> QMenu:
        """The menu belongs to the stage and goes when it has closed."""
        self._key = key
        stage, keys, track, spec = self._stage, self._stage.tracks(), self._stage.track(key), parse(key)
        assert track is not None
        title, excerpt, canvas = track.title(), stage.excerpt, stage.canvas
        menu = QMenu(title, stage)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Show as a &table", self._show_table).setEnabled(stage.handling.has_table(key))
        menu.addMenu(stage.handling.duplicate_menu(key, menu))
        menu.addAction("&Expand" if key in canvas.collapsed else "&Collapse", self._toggle)
        menu.addSeparator()
        menu.addAction("Move &up", self._move_up).setEnabled(key != keys[0])
        menu.addAction("Move &down", self._move_down).setEnabled(key != keys[-1])
        if spec.what == NORMS and excerpt is not None:
            from explorer.stage import curve_choice

            curve_choice.add_to(menu, spec, excerpt, self._change)
        past = as_over_training(track)
        shown = past.numbers if past is not None and len(past.past.log) else None
        self.scales.add_to(menu, key, title, excerpt, shown)
        menu.addAction("Default &height", self._reset_height).setEnabled(key in canvas.heights)
        menu.addSeparator()
        for group in add_options(menu, spec, excerpt):
            group.triggered.connect(self._change)
        menu.addSeparator()
        menu.addAction("&Remove", self._remove)
        return menu

    @Slot()
    def _move_up(self) -> None:
        self._stage.move_to(self._key, self._stage.tracks().index(self._key) - 1)

    @Slot()
    def _move_down(self) -> None:
        self._stage.move_to(self._key, self._stage.tracks().index(self._key) + 1)

    @Slot(QAction)
    def _change(self, entry: QAction) -> None:
        """The entry's data is the track's new text."""
        if entry.data() != self._key:
            self._stage.trackChanged.emit(self._key, entry.data())

    @Slot()
    def _show_table(self) -> None:
        self._stage.tableRequested.emit(self._key)

    @Slot()
    def _toggle(self) -> None:
        self._stage.toggle_collapsed(self._key)

    @Slot()
    def _remove(self) -> None:
        self._stage.removeTrackRequested.emit(self._key)

    @Slot()
    def _reset_height(self) -> None:
        heights = self._stage.canvas.heights
        self._stage.set_heights({key: height for key, height in heights.items() if key != self._key})
        self._stage.heights_done()
