"""An iteration is chosen by keys: on the selected track over training, Enter begins at the row on screen, the arrows go
up and down, Enter goes to that iteration, Esc leaves all as it is. Otherwise these keys are what they always are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent

from explorer.stage import strip
from explorer.stage.marked import plain
from explorer.stage.tracks.base import OverTraining, as_over_training

if TYPE_CHECKING:
    from explorer.stage.stage import Stage

_KEY = Qt.Key
_ENTER = (_KEY.Key_Return, _KEY.Key_Enter)
_EVERYTHING = 2**40
HINT = "↑ ↓ choose an iteration, Enter goes there, Esc leaves"


class RowChoice:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def takes(self, event: QKeyEvent) -> bool:
        """Whether a key is for a row. It is then, also before a shortcut."""
        track = as_over_training(self._stage.track(self._stage.handling.selected))
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if track is None or modifiers or event.type() not in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride):
            return False
        key = event.key()
        rows = {
            _KEY.Key_Up: -1,
            _KEY.Key_Down: 1,
            _KEY.Key_PageUp: -track.page,
            _KEY.Key_PageDown: track.page,
            _KEY.Key_Home: -_EVERYTHING,
            _KEY.Key_End: _EVERYTHING,
        }
        chosen = track.chosen
        if chosen is None:
            if key not in _ENTER or not len(track.past.log):
                return False
        elif key not in rows and key not in (*_ENTER, _KEY.Key_Escape):
            return False
        event.accept()
        if event.type() == QEvent.Type.ShortcutOverride:
            return True
        if key in rows:
            self._choose(track, rows[_KEY(key)])
        elif chosen is None:
            self._choose(track, 0)
        else:
            self._choose(track, None)
            if key in _ENTER:
                self._stage.pick_iteration(chosen)
        return True

    def leave(self) -> None:
        track = as_over_training(self._stage.track(self._stage.handling.selected))
        if track is not None and track.chosen is not None:
            self._choose(track, None)

    def _choose(self, track: OverTraining, rows: int | None) -> None:
        stage = self._stage
        there = track.choose(rows)
        stage.canvas.refresh_track(stage.handling.selected)
        stage.handling.describe()
        now, selected = stage.canvas.now, stage.track(stage.handling.selected)
        said = strip.words_of(selected, now) if there and now is not None and selected is not None else ""
        stage.said(f"t = {now.step:,} · {plain(said)} · {HINT}" if said and now is not None else "")
