"""The selected track, and what is done to tracks by key: what a person wants goes up as the stage's signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, Qt, Slot
from PySide6.QtGui import QAccessible, QAction
from PySide6.QtWidgets import QMenu

from engine.tracks import WHOLE, has, parse
from explorer.stage import copying, strip
from explorer.stage.geometry import bounded
from explorer.stage.marked import plain
from explorer.stage.tracks import words
from explorer.stage.tracks.base import as_tabular, taken_of

if TYPE_CHECKING:
    from explorer.stage.stage import Stage

_STEP = 24
"""Pixels that a key makes a track taller."""


class Handling(QObject):
    """Acts on the track that is selected; where none is, nothing happens and the answer is False."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._stage = stage

    # -- the selection ------------------------------------------------------------------------------------------------

    @property
    def selected(self) -> str:
        return self._stage.canvas.selected

    def select(self, key: str, *, reveal: bool = False) -> None:
        """ "": none. What it is is said to screen readers."""
        stage = self._stage
        if key != self.selected:
            stage.canvas.set_selected(key)
            stage.selectionChanged.emit(key)
        self.describe()
        if key and reveal:
            stage.canvas.reveal(key)

    def select_next(self, by: int) -> None:
        """Down (1) or up (−1); where none is selected, the first or the last."""
        keys = self._stage.tracks()
        if not keys:
            return
        if self.selected in keys:
            place = min(max(0, keys.index(self.selected) + by), len(keys) - 1)
        else:
            place = 0 if by > 0 else len(keys) - 1
        self.select(keys[place], reveal=True)

    def tracks_changed(self, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Where the selected one has gone, its neighbour is selected."""
        if not self.selected or self.selected in new:
            self.describe()
        elif self.selected in old and new:
            self.select(new[min(old.index(self.selected), len(new) - 1)])
        else:
            self.select("")

    def moved(self) -> None:
        """The playhead has: that is said at once where a screen reader listens, else when the focus comes here."""
        if QAccessible.isActive():
            self.describe()

    def describe(self) -> None:
        """What is selected, and what it says at the playhead, for screen readers."""
        stage, key = self._stage, self.selected
        if key not in stage.tracks():
            stage.setAccessibleDescription("")
            return
        place, count = stage.tracks().index(key) + 1, len(stage.tracks())
        collapsed = ", collapsed" if key in stage.canvas.collapsed else ""
        now, track = stage.canvas.now, stage.track(key)
        said = strip.words_of(track, now) if now is not None and track is not None else ""
        here = f". At t = {now.step}: {plain(said)}" if now is not None and said else ""
        stage.setAccessibleDescription(f"Selected: {stage.title_of(key)}, track {place} of {count}{collapsed}{here}")

    def to_copy(self) -> tuple[str, str]:
        """(text, what it is in words): the value under the crosshair, else what the selected track says at the
        playhead; ("", why) where there is neither."""
        stage = self._stage
        excerpt, now, pointed = stage.excerpt, stage.canvas.now, stage.canvas.crosshair.taken
        if excerpt is None or now is None:
            return "", "There is nothing to copy yet."
        if pointed is not None:
            key, found = pointed
        else:
            key, found = self.selected, taken_of(stage.track(self.selected), now)
        if found:
            return copying.text(found, parse(key), excerpt), copying.said(found)
        if key:
            return "", f"{stage.title_of(key)} has no value at t = {now.step} to copy (yet)."
        return "", "Nothing to copy: point at a value, or select a track with ↑ and ↓."

    # -- what keys do -------------------------------------------------------------------------------------------------

    def move(self, by: int) -> bool:
        keys, key = self._stage.tracks(), self.selected
        if key not in keys:
            return False
        place = keys.index(key) + by
        if 0 <= place < len(keys):
            self._stage.moveTrackRequested.emit(key, place)
            self._stage.canvas.reveal(key)
        return True

    def remove(self) -> bool:
        if self.selected not in self._stage.tracks():
            return False
        self._stage.removeTrackRequested.emit(self.selected)
        return True

    def collapse(self) -> bool:
        if self.selected not in self._stage.tracks():
            return False
        self._stage.toggle_collapsed(self.selected)
        return True

    def grow(self, steps: int) -> bool:
        stage, key = self._stage, self.selected
        slot = next((one for one in stage.canvas.slots if one.track.key == key), None)
        if slot is None:
            return False
        if not slot.collapsed:
            stage.canvas.set_heights({**stage.canvas.heights, key: bounded(slot.height + steps * _STEP)})
            stage.heights_done()
            stage.canvas.reveal(key)
        return True

    def table(self) -> bool:
        if self.selected not in self._stage.tracks():
            return False
        self._stage.tableRequested.emit(self.selected)
        return True

    def fit_scale(self) -> bool:
        """To what the track shows, as its menu does."""
        if self.selected not in self._stage.tracks():
            return False
        self._stage.fit_scale(self.selected)
        return True

    def menu(self) -> bool:
        """The track's menu, below its name."""
        at = self._head()
        if at is None:
            return False
        self._stage.menu_for(self.selected, at)
        return True

    def duplicate(self) -> bool:
        """The menu of the layers that have the same."""
        at = self._head()
        if at is None:
            return False
        menu = self.duplicate_menu(self.selected, self._stage)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(at)
        return True

    def _head(self) -> QPoint | None:
        canvas = self._stage.canvas
        canvas.reveal(self.selected)
        slot = next((one for one in canvas.slots if one.track.key == self.selected), None)
        if slot is None:
            return None
        return canvas.viewport().mapToGlobal(QPoint(24, slot.top - canvas.offset + min(24, slot.height)))

    # -- for another layer or unit ------------------------------------------------------------------------------------

    def duplicate_menu(self, key: str, parent: QMenu | Stage) -> QMenu:
        menu = QMenu("Du&plicate for", parent)
        menu.setAccessibleName(f"Duplicate {self._stage.title_of(key)} for")
        track, excerpt = parse(key), self._stage.excerpt
        why_none = "It is of the whole network" if track.what in WHOLE else "No other layer has this"
        if excerpt is not None and track.what not in WHOLE:
            kinds, own = excerpt.kinds(), track.layer or excerpt.of().name
            shown = {self._resolved(one) for one in self._stage.tracks()}
            for name, layer in excerpt.layers.items():
                other = track.on(name)
                if name == own or not has(other, kinds):
                    continue
                if self._resolved(str(other)) in shown:
                    why_none = "Every layer that has this is shown"
                else:
                    entry = menu.addAction(words.layer(layer)[:1].upper() + words.layer(layer)[1:])
                    entry.setData((key, str(other)))
            alone = track.unit is not None
            if track.is_quantity and has(track, kinds) and not (alone and kinds[own].hidden_size == 1):
                menu.addSeparator()
                menu.addAction("Another &unit…" if alone else "&One unit…").setData((key, ""))
        if menu.isEmpty():
            menu.addAction(why_none).setEnabled(False)
        menu.triggered.connect(self._duplicate_chosen)
        return menu

    def _resolved(self, key: str) -> str:
        """The track with its layer's name, to be compared."""
        track, excerpt = parse(key), self._stage.excerpt
        if track.layer or excerpt is None or track.what in WHOLE:
            return str(track)
        return str(track.on(excerpt.of().name))

    @Slot(QAction)
    def _duplicate_chosen(self, entry: QAction) -> None:
        key, new = entry.data()
        if new:
            self._stage.duplicateRequested.emit(key, new)
        else:
            self._ask_unit(key)

    def _ask_unit(self, key: str) -> None:
        excerpt = self._stage.excerpt
        if excerpt is None:
            return
        from explorer.stage.unit_dialog import UnitDialog

        track, last = parse(key), excerpt.of(parse(key).layer).hidden_size - 1
        unit = excerpt.unit or 0
        if track.unit is not None:  # the one beside it
            unit = track.unit + 1 if track.unit < last else track.unit - 1
        dialog = UnitDialog(key, self._stage.title_of(key), unit, last, self._stage)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(self._unit_chosen)
        dialog.open()

    @Slot()
    def _unit_chosen(self) -> None:
        from explorer.stage.unit_dialog import UnitDialog

        dialog = self.sender()
        if isinstance(dialog, UnitDialog):
            wanted = str(parse(dialog.track).having(unit=str(dialog.number)))
            self._stage.duplicateRequested.emit(dialog.track, wanted)

    def has_table(self, key: str) -> bool:
        return as_tabular(self._stage.track(key)) is not None
