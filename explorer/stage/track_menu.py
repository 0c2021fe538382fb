"""The options of a track as groups of radio items in its menu: what it shows and how."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu

from engine.requests import Excerpt
from engine.tracks import TrackSpec, options_of


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
