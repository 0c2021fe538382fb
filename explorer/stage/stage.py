"""The stage: notices, the time axis, and the tracks with one cursor. Frozen data comes down, signals go up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from PySide6.QtCore import QEvent, QPoint, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QVBoxLayout, QWidget

from engine.requests import Excerpt
from engine.tape import Tape
from engine.tracks import parse
from explorer.stage.axis import Axis
from explorer.stage.banner import Banner
from explorer.stage.canvas import Canvas
from explorer.stage.classified import Ahead
from explorer.stage.drawn_ahead import DrawnAhead
from explorer.stage.event_line import EventLine
from explorer.stage.gestures import Gestures
from explorer.stage.handling import Handling
from explorer.stage.marked import plain
from explorer.stage.marks import Marks
from explorer.stage.notices import Progress
from explorer.stage.now import Now
from explorer.stage.past import Past
from explorer.stage.row_choice import RowChoice
from explorer.stage.scalebook import Chosen, ScaleBook
from explorer.stage.time_range import TimeRange
from explorer.stage.track_menu import TrackMenu
from explorer.stage.tracks import words
from explorer.stage.tracks.base import TableData, Track, as_over_training, table_of
from explorer.stage.tracks.ghost import Ghost
from explorer.theme import current as theming

_RING = 2
_ENOUGH = 0.5
"""Of a track's height in sight, not to be scrolled to."""
_TAB, _BACKTAB = Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason
_BY_KEY = (_TAB, _BACKTAB, Qt.FocusReason.ShortcutFocusReason)
_AWAY = (Qt.FocusReason.ActiveWindowFocusReason, Qt.FocusReason.PopupFocusReason)
"""To a dialog or a menu and back: the ring is there again afterwards."""


class Stage(QWidget):
    """The tracks of a document on one time axis. `set_excerpt` shows a trace, `set_position` a moment of its tape."""

    stepPicked = Signal(int)
    """A click at step t (from 1), in the phase that the playhead is in."""
    pickTakenBack = Signal(int)
    """A double click is no pick: the position of the tape before its first click, which is wanted back."""
    unitPicked = Signal(int)
    """A click with Shift on a unit (from 0)."""
    cellPicked = Signal(str, int)
    """A click on the cell of a layer (by name) at step t."""
    iterationPicked = Signal(int)
    """An iteration of the training that somebody wants on the stage."""
    hovered = Signal(str)
    """What is under the pointer, in one line; "" when it has left."""
    heightsChanged = Signal(dict)
    """Heights by track, of those that somebody has set."""
    removeTrackRequested = Signal(str)
    moveTrackRequested = Signal(str, int)
    """A track's key, and its new place from 0."""
    addTrackRequested = Signal()
    trackChanged = Signal(str, str)
    """A track's key, and the text of what somebody wants in its place: the same with other options."""
    duplicateRequested = Signal(str, str)
    """A track's key, and the track that is wanted below it."""
    collapsedChanged = Signal(tuple)
    """The keys of the collapsed tracks."""
    tableRequested = Signal(str)
    """A track that is wanted as a table."""
    selectionChanged = Signal(str)
    """The key of the track that keys act on; "": none."""
    scaleChanged = Signal(str, str)
    """A track's key, and its new scale in words: said only when somebody asked for another scale."""
    scalesChosen = Signal(dict)
    """All that somebody has chosen, as `set_scales` takes them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._excerpt: Excerpt | None = None
        self._position, self._whole = 0, True
        self._picked_from: int | None = None
        self._book = ScaleBook()
        self._made: dict[str, Track] = {}
        self._keys: tuple[str, ...] = ()
        self._ghosts: tuple[Ghost, ...] = ()
        self._past = Past()
        self._travelled_from: int | None = None
        self._ring = self._had_ring = False
        self.setAccessibleName("Stage: tracks over time")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.banner = Banner(self)
        self.progress = Progress(self)
        self.events = EventLine(self)
        self.axis = Axis(self)
        self.canvas = Canvas(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(_RING, _RING, _RING, _RING)
        column.setSpacing(0)
        for part in (self.banner, self.progress, self.events, self.axis):
            column.addWidget(part)
        column.addWidget(self.canvas, 1)
        self._drawn = DrawnAhead(self)
        self.time_range = TimeRange(self.canvas, self)
        self.handling = Handling(self)
        self.track_menu = TrackMenu(self, self._book)
        self._rows = RowChoice(self)
        self._gestures = Gestures(self.canvas, self, self.time_range, self)
        self.marks = Marks(self.canvas)
        self.canvas.viewChanged.connect(self._view_changed)
        self.canvas.seenChanged.connect(self._seen_changed)
        self.track_menu.scales.changed.connect(self._scale_changed)
        self.axis.stepPicked.connect(self.pick_on_axis)
        self.axis.rangePicked.connect(self.time_range.show)
        self.axis.playheadWanted.connect(self.time_range.reveal_playhead)
        self.axis.fitWanted.connect(self.time_range.fit)
        self.canvas.add_button.clicked.connect(self.addTrackRequested)
        theming.notifier().changed.connect(self._theme_changed)

    @property
    def ahead(self) -> Ahead:
        """Told what the engine answers before the window is."""
        return self._book.ahead

    # -- data down ----------------------------------------------------------------------------------------------------

    def draw_ahead(self, excerpt: Excerpt) -> Iterator[None]:
        """Draw what is on screen for a trace that `set_excerpt` is going to be told, a piece with each step of the
        iteration. Until then nothing of it is shown. A trace with other layers or another T is not drawn ahead."""
        if self._excerpt is None or self._excerpt.steps != excerpt.steps or _named(self._excerpt) != _named(excerpt):
            return iter(())
        return self._drawn.pieces(excerpt)

    @property
    def book(self) -> ScaleBook:
        """The scales of all tracks."""
        return self._book

    def another(self, key: str) -> Track:
        """A track that is told the same as the one on screen, but no trace yet."""
        from explorer.stage.tracks.make import make

        track = make(key)
        self._give_ghosts([track])
        return track

    def set_excerpt(self, excerpt: Excerpt | None) -> None:
        """Another trace. None: another document, nothing is there yet; scales and zoom are chosen anew."""
        old, self._excerpt = self._excerpt, excerpt
        if excerpt is None:
            self._drawn.forget()
            self._book.reset()
            self.events.clear()
            self.handling.select("")
            self.time_range.set_steps(0)
            self.canvas.set_now(None)
            self.axis.set_now(None)
            return
        # A moment of another tape may be none of this one; where this one stands is said next.
        self._position = min(self._position, len(Tape(excerpt.steps)) - 1)
        if old is not None and old.steps != excerpt.steps:
            self.canvas.set_now(None)
            self.axis.set_now(None)
        drawn = self._drawn.take(excerpt)
        self._drawn.keep({key: self._made[key] for key in drawn})
        self._made.update(drawn)
        self.canvas.exchange(drawn)
        for track in self.canvas.tracks:
            if track.key not in drawn:
                track.set_excerpt(excerpt, self._book)
        self.time_range.set_steps(excerpt.steps)
        self.events.set_events(excerpt.events, excerpt.steps)
        alike = old is not None and _named(old) == _named(excerpt)
        self.canvas.refresh(headers=not alike)
        self._show_position()

    def set_position(self, position: int, *, whole: bool = True) -> None:
        """A position of the tape (engine.tape.Tape), and whether its step is done."""
        self._position, self._whole = position, whole
        if self._excerpt is not None:
            self._show_position()

    def _show_position(self) -> None:
        assert self._excerpt is not None
        now = Now.at(Tape(self._excerpt.steps), self._position, whole=self._whole)
        self.canvas.set_now(now)
        self.axis.set_now(now)
        self.events.set_position(now.position)
        self.handling.moved()

    def set_motion(self, speed: float) -> None:
        """Steps a second while the tape plays; 0 at rest, or where nothing may move by itself."""
        self.canvas.pulse.set_speed(speed)

    def set_tracks(self, keys: tuple[str, ...]) -> None:
        """The tracks from the top, by key. A track that stays keeps its pictures."""
        keys = tuple(dict.fromkeys(keys))
        if keys == self._keys:
            return
        old, self._keys = self._keys, keys
        self._drawn.forget()
        self._gestures.cancel()
        from explorer.stage.tracks.make import make  # with all kinds of tracks: the window paints before there are any

        made = {key: self._made.get(key) or make(key) for key in keys}
        for key, track in made.items():
            if key not in self._made and self._excerpt is not None:
                track.set_excerpt(self._excerpt, self._book)
        new = [track for key, track in made.items() if key not in self._made]
        for track in new:
            if (over_training := as_over_training(track)) is not None:
                over_training.set_past(self._past)
        self._made = made
        self._book.ahead.keep({parse(key) for key in keys})
        if self._ghosts:
            self._give_ghosts(new)
        self.canvas.set_tracks(tuple(made.values()))
        self.handling.tracks_changed(old, keys)

    def set_ghosts(self, ghosts: tuple[Ghost, ...]) -> None:
        """Earlier traces that stay on screen, behind the present one's norms."""
        if not ghosts and not self._ghosts:
            return
        self._ghosts = ghosts
        self._drawn.forget()
        self._give_ghosts(self._made.values())
        self.canvas.refresh()

    def _give_ghosts(self, tracks: Iterable[Track]) -> None:
        from explorer.stage.tracks.curve import CurveTrack

        for track in tracks:
            if isinstance(track, CurveTrack):
                track.set_ghosts(self._ghosts)

    @property
    def past(self) -> Past:
        return self._past

    @property
    def shows_past(self) -> bool:
        """Whether a track is there that shows it."""
        return any(as_over_training(track) is not None for track in self._made.values())

    def bring_past_in_sight(self) -> None:
        """Scroll to the first track that shows it, where most of that cannot be seen."""
        key = next((key for key, track in self._made.items() if as_over_training(track) is not None), "")
        if key and self.canvas.share_in_sight(key) < _ENOUGH:
            self.canvas.reveal(key)

    @property
    def past_cost(self) -> float:
        """Seconds that its last change took to draw."""
        found = map(as_over_training, self._made.values())
        return max((track.cost for track in found if track is not None), default=0.0)

    def set_past(self, past: Past) -> None:
        """What the training has left behind by now."""
        self._past = past
        for key, track in self._made.items():
            if (over_training := as_over_training(track)) is not None:
                over_training.set_past(past)
                self.canvas.refresh_track(key)
                self.handling.moved()

    def tracks(self) -> tuple[str, ...]:
        return self._keys

    @property
    def excerpt(self) -> Excerpt | None:
        return self._excerpt

    def track(self, key: str) -> Track | None:
        return self._made.get(key)

    def title_of(self, key: str) -> str:
        """In one line, with the layer where there are several: "Forget gate f · layer 2 · LSTM"."""
        title = plain(self._made[key].title()) if key in self._made else key
        layer = parse(key).layer
        if self._excerpt is None or layer not in self._excerpt.layers or len(self._excerpt.layers) == 1:
            return title
        return f"{title} · {words.layer(self._excerpt.layers[layer])}"

    def table(self, key: str) -> TableData | None:
        """A track's numbers as they are known now; None where it has none, or not yet."""
        now, track = self.canvas.now, self._made.get(key)
        return None if now is None or track is None else table_of(track, now)

    def set_collapsed(self, keys: Collection[str]) -> None:
        self.canvas.set_collapsed(keys)
        self.handling.describe()

    def set_heights(self, heights: Mapping[str, int]) -> None:
        self.canvas.set_heights({key: int(height) for key, height in heights.items()})

    def set_scales(self, chosen: Chosen) -> None:
        """The scales that somebody has chosen for this document; before its first trace."""
        self._book.set_chosen(chosen)
        self._rescale()

    def gradient_decades(self) -> tuple[int, int] | None:
        """The range of the gradient scales, in powers of ten; None before there is a trace."""
        return None if self._excerpt is None else self._book.gradients(self._excerpt).decades

    def set_marks(self, loss_step: int | None, source_step: int | None) -> None:
        """Two labelled marks over the tracks, of steps from 1; None takes them away."""
        self.marks.set_steps(loss_step, source_step)

    def set_prompt(self, text: str) -> None:
        """What to look for; "" when it has been answered. The tracks stay where they are."""
        self.events.set_prompt(text)

    def set_message(self, text: str) -> None:
        """In the middle while nothing is there yet, a chip over the tracks otherwise."""
        self.canvas.set_message(text)

    def set_progress(self, done: int, total: int) -> None:
        """Of a computation on its way; (0, 0): there is none."""
        self.progress.set_progress(done, total)

    # -- what the canvas says -----------------------------------------------------------------------------------------

    @Slot()
    def _view_changed(self) -> None:
        self.axis.set_view(self.canvas.view, self.canvas.columns.header, self.canvas.data_width)

    @Slot(tuple)
    def _seen_changed(self, keys: tuple[str, ...]) -> None:
        self._book.ahead.see({parse(key) for key in keys})

    # -- intent up ----------------------------------------------------------------------------------------------------

    def pick(self, t: int) -> None:
        self._picked_from, self._travelled_from = self._position, None
        self.stepPicked.emit(t)

    def take_pick_back(self) -> None:
        position, self._picked_from = self._picked_from, None
        if position is not None and self._excerpt is not None:
            self.pickTakenBack.emit(min(position, len(Tape(self._excerpt.steps)) - 1))
        iteration, self._travelled_from = self._travelled_from, None
        if iteration is not None:
            self.iterationPicked.emit(iteration)

    @Slot(int)
    def pick_on_axis(self, t: int) -> None:
        self.take_focus()
        self.pick(t)

    def pick_cell(self, layer: str, t: int) -> None:
        self._picked_from = self._position
        self.cellPicked.emit(layer, t)

    def pick_iteration(self, iteration: int) -> None:
        self._travelled_from = self._past.shown
        self.iterationPicked.emit(iteration)

    def pick_unit(self, unit: int) -> None:
        self.unitPicked.emit(unit)

    def heights_done(self) -> None:
        self.heightsChanged.emit(dict(self.canvas.heights))

    def select(self, key: str) -> None:
        self.handling.select(key)

    def toggle_collapsed(self, key: str) -> None:
        keys = self.canvas.collapsed ^ {key}
        self.set_collapsed(keys)
        self.collapsedChanged.emit(tuple(one for one in self._keys if one in keys))

    def move_to(self, key: str, place: int) -> None:
        self.moveTrackRequested.emit(key, place)

    def said(self, text: str) -> None:
        """As it can be read aloud: without the signs that subscripts are set by."""
        self.hovered.emit(plain(text))

    def take_focus(self) -> None:
        self.setFocus(Qt.FocusReason.MouseFocusReason)

    def menu_for(self, key: str, at: QPoint) -> None:
        self.track_menu.of(key).popup(at)

    def fit_scale(self, key: str) -> None:
        over_training = as_over_training(self._made.get(key))
        self.track_menu.scales.fit(key, self.excerpt, over_training.numbers if over_training is not None else None)

    @Slot(str, str)
    def _scale_changed(self, key: str, words: str) -> None:
        from explorer.stage.tracks.curve import CurveTrack

        self._rescale()
        changed = self._made.get(key)
        if not words and isinstance(changed, CurveTrack) and changed.plot is not None:
            words = " … ".join(changed.plot.axis.ends)
        self.scalesChosen.emit(dict(self._book.chosen))
        self.scaleChanged.emit(key, words)

    def _rescale(self) -> None:
        self._drawn.forget()
        if self._excerpt is not None:
            for track in self.canvas.tracks:
                track.set_excerpt(self._excerpt, self._book)
            self.canvas.refresh()

    # -- looks --------------------------------------------------------------------------------------------------------

    @Slot()
    def _theme_changed(self) -> None:
        self._drawn.forget()
        self.canvas.forget_pixels()
        self.update()
        self.axis.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The ring shows who has the keys, to those who work with keys."""
        theme = theming.current()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(theme.surface))
        if self._ring:
            painter.setPen(QPen(QColor(theme.accent), _RING))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._ring = event.reason() in _BY_KEY or (event.reason() in _AWAY and self._had_ring)
        self.handling.describe()
        if self._excerpt is not None and not self.handling.selected and event.reason() in (_TAB, _BACKTAB):
            self.handling.select_next(1 if event.reason() == _TAB else -1)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._rows.leave()
        self._had_ring = self._ring and event.reason() in _AWAY
        self._ring = False
        self.update()

    def event(self, event: QEvent) -> bool:
        """Esc belongs to a track that is dragged, before it stops a computation; some keys to a row that is chosen."""
        if isinstance(event, QKeyEvent) and self._rows.takes(event):
            return True
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape and self._gestures.dragging:
            if event.type() == QEvent.Type.KeyPress:
                self._gestures.cancel()
            event.accept()
            return True
        return super().event(event)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.EnabledChange:
            self.update()


def _named(e: Excerpt) -> tuple[object, ...]:
    """What headers say of an excerpt."""
    return e.kinds(), e.layer, e.unit, e.batch_size
