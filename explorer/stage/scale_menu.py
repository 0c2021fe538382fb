"""What a track's menu does about its scale: fit it, set it, and take that back. Scales change on command alone, and
that is announced."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QMenu, QWidget

from engine.requests import Array, Excerpt
from engine.tracks import FLOW_TRAINING, NETWORK, TrackSpec, parse
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import Scale

SHARED = "heatmaps, flow over training, norms, the wires of the network and the cell, flow matrix and histogram"
"""What the scale of all gradients is used by."""
_OWN = "This is for the flow over training alone: all other gradients keep the scale that they share."


def in_words(scale: Scale | None) -> str:
    """ "1e-20 … 1e2, 2 decades a band"; "" for none."""
    if scale is None:
        return ""
    return " … ".join(scale.ends) + (f", {scale.band_words}" if scale.kind == "magnitude" else "")


class ScaleMenu(QObject):
    """Changes the book, and says so."""

    changed = Signal(str, str)
    """A track's key, and its new scale in words; "" where only the track itself can tell."""

    def __init__(self, book: ScaleBook, parent: QWidget) -> None:
        super().__init__(parent)
        self._book, self._over = book, parent
        self._key, self._title = "", ""
        self._excerpt: Excerpt | None = None
        self._shown: Callable[[], Array] | None = None

    def add_to(
        self, menu: QMenu, key: str, title: str, excerpt: Excerpt | None, shown: Callable[[], Array] | None = None
    ) -> None:
        """`shown`: the numbers of a track that are not the excerpt's."""
        self._key, self._title, self._excerpt, self._shown = key, title, excerpt, shown
        track = parse(key)
        menu.addAction("&Fit the scale to what is shown", self._fit).setEnabled(excerpt is not None)
        menu.addAction("S&et the scale…", self._ask).setEnabled(self._present(track) is not None)
        chosen = excerpt is not None and self._book.name(track, excerpt) in self._book.chosen
        back = "Scale &back to that of all gradients" if track.what == FLOW_TRAINING else "Scale &back to its default"
        menu.addAction(back, self._forget).setEnabled(chosen)

    def fit(self, key: str, excerpt: Excerpt | None, shown: Callable[[], Array] | None = None) -> None:
        """At once, without a menu; a scale that the flow over training has for itself goes back to the shared one."""
        self._key, self._excerpt, self._shown = key, excerpt, shown
        if key == FLOW_TRAINING and key in self._book.chosen:
            self._forget()
        else:
            self._fit()

    def _present(self, track: TrackSpec) -> Scale | None:
        """What can be chosen by its ends. All gradients have that of their sizes in common."""
        if self._excerpt is None or not self._book.name(track, self._excerpt):
            return None
        if track.what == FLOW_TRAINING:
            return self._book.over_training(self._excerpt)
        if track.on_gradients:
            return self._book.gradients(self._excerpt)
        if track.what == "attention":
            return self._book.of_attention(self._excerpt.shown(track))
        return self._book.of(track, self._excerpt)

    @Slot()
    def _fit(self) -> None:
        if self._excerpt is None:
            return
        shown = parse(self._key)
        of_network = tuple(TrackSpec("values.h", name) for name in self._excerpt.layers)
        every = of_network if shown.what == NETWORK else (shown,)
        own = self._shown() if self._shown is not None else None
        scale = [self._book.fit(track, self._excerpt, own) for track in every][-1]
        self.changed.emit(self._key, in_words(scale))

    @Slot()
    def _ask(self) -> None:
        track = parse(self._key)
        scale = self._present(track)
        if scale is None:
            return
        own = track.what == FLOW_TRAINING
        shared = scale.kind == "magnitude" and not track.what.startswith("values.") and not own
        note = f"All gradients share this scale: {SHARED}." if shared else _OWN if own else ""
        from explorer.stage.scale_dialog import ScaleDialog

        dialog = ScaleDialog(
            self._key, f"Scale of {'all gradients' if shared else self._title}", note, scale, self._over
        )
        dialog.accepted.connect(self._take)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot()
    def _take(self) -> None:
        from explorer.stage.scale_dialog import ScaleDialog

        dialog = self.sender()
        if self._excerpt is not None and isinstance(dialog, ScaleDialog) and dialog.chosen is not None:
            self._book.choose(parse(dialog.track), self._excerpt, dialog.chosen)
            self._say(dialog.track, dialog.chosen)

    @Slot()
    def _forget(self) -> None:
        if self._excerpt is not None:
            track = parse(self._key)
            self._book.forget(track, self._excerpt)
            self._say(self._key, self._present(track))

    def _say(self, key: str, scale: Scale | None) -> None:
        if scale is not None:
            self.changed.emit(key, in_words(scale))
