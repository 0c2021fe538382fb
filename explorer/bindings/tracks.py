"""The tracks on the stage: which, in which order, how high, over which scale; and their tables."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from engine.session import MAX_TRACKS
from engine.tracks import FLOW_TRAINING, NETWORK, parse
from explorer.bindings.parts import Parts
from explorer.stage.scale_menu import SHARED
from explorer.tables.shelf import Shelf


class TracksBinding(QObject):
    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._stage, self._document = parts, parts.window.stage, parts.document
        self.tables = Shelf(parts.window.stage)
        stage = self._stage
        parts.document.stateChanged.connect(self._show_tracks)
        stage.heightsChanged.connect(self._heights_changed)
        stage.removeTrackRequested.connect(self.remove_track)
        stage.moveTrackRequested.connect(self._move_track)
        stage.trackChanged.connect(self._change_track)
        stage.scaleChanged.connect(self._say_scale)
        stage.scalesChosen.connect(self._scales_chosen)
        stage.duplicateRequested.connect(self.duplicate_track)
        stage.collapsedChanged.connect(self._collapsed_changed)
        stage.tableRequested.connect(self.show_table)

    # -- data down ----------------------------------------------------------------------------------------------------

    def show_opened(self) -> None:
        state, view = self._document.state, self._document.view
        self._stage.set_tracks(state.tracks)
        self._stage.set_heights(dict(view.heights))
        self._stage.set_scales(view.scales)
        self._stage.set_collapsed(view.collapsed)

    @Slot()
    def _show_tracks(self) -> None:
        state, view = self._document.state, self._document.view
        if self._stage.tracks() != state.tracks:
            self._stage.set_tracks(state.tracks)
            self._stage.set_heights(dict(view.heights))  # a track may be called otherwise now
            self._stage.set_collapsed(view.collapsed)
        self.tables.refresh()

    def show_view(self) -> None:
        self.tables.refresh()

    # -- intent up: which ---------------------------------------------------------------------------------------------

    @Slot(str)
    def remove_track(self, key: str) -> None:
        self.remove_tracks((key,))

    def remove_tracks(self, keys: tuple[str, ...]) -> None:
        tracks = tuple(one for one in self._document.state.tracks if one not in keys)
        self._document.edit_tracks(tracks, "removal of a track" if len(keys) == 1 else "removal of tracks")

    @Slot(str, int)
    def _move_track(self, key: str, place: int) -> None:
        tracks = [one for one in self._document.state.tracks if one != key]
        tracks.insert(max(0, place), key)
        self._document.edit_tracks(tuple(tracks), "move of a track")

    @Slot(str, str)
    def _change_track(self, old: str, new: str) -> None:
        """Another track in the place of one, with its height; the old one keeps it too, for undo."""
        d = self._document
        if old not in d.state.tracks:
            return
        if new in d.state.tracks:
            self._parts.say("That track is on the stage already.", 4000)
            return
        if old in d.view.heights:
            heights = {**d.view.heights, new: d.view.heights[old]}
            d.look(heights=heights)
            self._stage.set_heights(heights)
        d.edit_tracks(tuple(new if one == old else one for one in d.state.tracks), "change of a track")

    @Slot(str, str)
    def duplicate_track(self, key: str, new: str) -> None:
        """Another track below one: the same of another layer or unit."""
        self._insert_track(new, key, "duplicate of a track")

    def add_track(self, key: str) -> None:
        """Below the selected track, else below all."""
        self._insert_track(key, self._stage.handling.selected, "new track")

    def _insert_track(self, key: str, below: str, words: str) -> None:
        tracks = list(self._document.state.tracks)
        if key not in tracks:
            if len(tracks) >= MAX_TRACKS:
                said = f"There are {MAX_TRACKS} tracks, as many as a session can hold; remove one first."
                self._parts.say(said, 6000)
                return
            tracks.insert(tracks.index(below) + 1 if below in tracks else len(tracks), key)
            self._document.edit_tracks(tuple(tracks), words)
        self._stage.handling.select(key, reveal=True)

    @Slot(str)
    def show_table(self, key: str) -> None:
        if self.tables.open(key) is None:
            self._parts.say(f"{self._stage.title_of(key)} has no table here.", 4000)

    # -- intent up: how -----------------------------------------------------------------------------------------------

    @Slot(object)
    def _heights_changed(self, heights: dict[str, int]) -> None:
        self._document.look(heights=dict(heights))

    @Slot(tuple)
    def _collapsed_changed(self, keys: tuple[str, ...]) -> None:
        self._document.look(collapsed=tuple(keys))

    @Slot(object)
    def _scales_chosen(self, scales: dict[str, tuple[float, float, float]]) -> None:
        self._document.look(scales=dict(scales))

    @Slot(str, str)
    def _say_scale(self, key: str, words: str) -> None:
        """A scale never changes behind anybody's back."""
        decades, window = self._stage.gradient_decades(), self._parts.window
        track = parse(key)
        if track.what == FLOW_TRAINING:
            own = key in self._document.view.scales
            now = "has a scale of its own now" if own else "is on the scale of all gradients again"
            self._parts.say(f"The flow over training {now}: {words}.", 8000)
            return
        if not track.what.startswith("values.") and decades is not None:
            window.cell.set_gradient_decades(*decades)
            window.analysis.set_decades(*decades)
        symbol = "h" if track.what == NETWORK else track.what.removeprefix("values.")
        shared = track.on_gradients
        name = f"all gradients ({SHARED})" if shared else symbol
        self._parts.say(f"The scale of {name} is now {words}.", 8000)
