"""Large tracks are classified where an answer arrives; the picture is the one that the window would have made."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic
from pytestqt.qtbot import QtBot

from engine.requests import Array, Excerpt
from engine.tracks import parse
from explorer.stage import classified as module
from explorer.stage import scales
from explorer.stage.cells import TimeView
from explorer.stage.classes import Codes
from explorer.stage.classified import Ahead, masked_of
from explorer.stage.scalebook import ScaleBook
from explorer.stage.stage import Stage
from explorer.stage.tracks import heatmap
from explorer.stage.tracks.heatmap import Heatmap
from explorer.stage.tracks.network_rows import rows_of

TRACKS = ("values.f", "grads.h", "values.c?order=cluster", "grads.c?order=mean&show=signed", "values.h?unit=3")


@pytest.fixture(autouse=True)
def every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST", 1)


def answer(seed: int) -> Excerpt:
    return synthetic.excerpt("lstm", T=24, H=7, seed=seed, nan=True, inf=True, subnormal=True, zeros=True)


def shown(book: ScaleBook, found: Excerpt, made: list[Heatmap] | None = None) -> list[Heatmap]:
    """Every kind of heatmap, drawn."""
    made = made or [Heatmap(text) for text in TRACKS]
    for one in made:
        one.set_excerpt(found, book)
        one.prepare(TimeView(24, 1, 24, 240), 70)
    return made


def test_what_is_classified_ahead_is_what_the_track_would_have_found(qtbot: QtBot) -> None:
    book = ScaleBook()
    tracks = shown(book, answer(0))
    late = answer(1)
    book.ahead.arrived(late)
    ahead = {track: book.ahead.take(track.track, late.shown(track.track), track.scale, 24) for track in tracks}
    assert None not in ahead.values()
    shown(book, late, tracks)
    alone = ScaleBook()
    alone.ahead.expect = lambda track, scale: None  # type: ignore[method-assign]
    again = shown(alone, late, shown(alone, answer(0)))
    for one, other in zip(tracks, again, strict=True):
        assert one._found is ahead[one], "what was found ahead is what is drawn"
        assert other._found is not None
        for part in ("rows", "codes", "counts", "subnormal"):
            np.testing.assert_array_equal(getattr(ahead[one], part), getattr(other._found, part))
        assert one._full.image == other._full.image, one.key


def test_on_another_scale_or_of_other_numbers_nothing_is_taken(qtbot: QtBot) -> None:
    ahead, late = Ahead(), answer(1)
    track = parse("grads.h")
    data = late.shown(track)
    assert data is not None
    ahead.expect(track, scales.magnitude(-20, 2))
    ahead.arrived(late)
    masked = masked_of(track, late)
    assert ahead.take(track, data, scales.magnitude(-20, 2), masked) is not None
    assert ahead.take(track, data, scales.magnitude(-12, 2), masked) is None
    assert ahead.take(track, data.copy(), scales.magnitude(-20, 2), masked) is None
    assert ahead.take(track, data, scales.magnitude(-20, 2), masked - 1) is None
    ahead.keep(())
    assert ahead.take(track, data, scales.magnitude(-20, 2), masked) is None, "another document's numbers are let go"
    ahead.arrived(late)
    assert ahead.take(track, data, scales.magnitude(-20, 2), masked) is None, "nobody shows it any more"


def test_small_tracks_and_what_is_no_picture_are_left_to_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead, late, track = Ahead(), answer(1), parse("grads.h")
    data = late.shown(track)
    assert data is not None
    monkeypatch.setattr(module, "LEAST", data.size + 1)
    ahead.expect(track, scales.magnitude(-20, 2))
    ahead.arrived("not a picture")
    ahead.arrived(late)
    assert ahead.take(track, data, scales.magnitude(-20, 2), 24) is None


def test_what_is_scrolled_away_is_classified_when_it_is_looked_at(qtbot: QtBot) -> None:
    stage = Stage()
    qtbot.addWidget(stage)
    stage.set_tracks(("values.f", "values.i", "grads.h"))
    stage.set_heights(dict.fromkeys(stage.tracks(), 300))
    stage.resize(900, 420)
    stage.show()
    stage.set_excerpt(answer(0))
    for scrolled, seen in ((0, {"values.f", "values.i"}), (10_000, {"values.i", "grads.h"})):
        stage.canvas.verticalScrollBar().setValue(scrolled)
        late = answer(1)
        stage.ahead.arrived(late)
        scales_of = {key: stage.track(key).scale for key in stage.tracks()}  # type: ignore[union-attr]
        found = {
            key
            for key, scale in scales_of.items()
            if stage.ahead.take(parse(key), late.shown(parse(key)), scale, 24) is not None
        }
        assert found == seen


def test_the_rows_of_the_network_are_classified_ahead_too(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    book, late = ScaleBook(), answer(1)
    rows_of(answer(0), book)
    book.ahead.arrived(late)
    asked: list[object] = []
    really = module.codes_of

    def counted(data: Array, scale: scales.Scale, masked: int) -> Codes:
        asked.append(data)
        return really(data, scale, masked)

    monkeypatch.setattr(module, "codes_of", counted)
    (row,) = rows_of(late, book)
    codes = row.codes
    assert codes is not None
    assert row.data is not None
    assert row.scale is not None
    assert not asked
    np.testing.assert_array_equal(codes, really(row.data, row.scale, row.length))
    (other,) = rows_of(answer(2), book)
    assert other.codes is not None
    assert len(asked) == 1, "another trace's numbers are no answer"


def test_while_there_is_no_network_on_screen_its_rows_wait(qtbot: QtBot) -> None:
    book, late = ScaleBook(), answer(1)
    rows_of(answer(0), book)
    book.ahead.see({parse("values.f")})
    book.ahead.arrived(late)
    assert not book.ahead._codes
    book.ahead.see({parse("network")})
    book.ahead.arrived(late)
    assert book.ahead._codes
    book.ahead.keep({parse("values.f")})
    assert not book.ahead._codes


@pytest.mark.parametrize("kept", [10**9, 1], ids=["units put together once", "at every zoom"])
def test_a_zoom_to_and_fro_draws_what_a_fresh_track_draws(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """More units than pixels, and cells of every width: outlined one by one, and under a grid of dots."""
    monkeypatch.setattr(heatmap, "_MOST_KEPT", kept)
    found = synthetic.excerpt("lstm", T=60, H=40, seed=3, nan=True, inf=True, subnormal=True, zeros=True)
    for text, height in (("grads.h", 22), ("values.f", 22), ("values.h?unit=3", 40)):
        track = Heatmap(text)
        track.set_excerpt(found, ScaleBook())
        for first, last, width in ((1, 60, 300), (10, 19, 300), (11, 12, 300), (1, 60, 40), (5, 50, 90), (1, 60, 300)):
            view = TimeView(60, first, last, width)
            track.prepare(view, height)
            fresh = Heatmap(text)
            fresh.set_excerpt(found, ScaleBook())
            fresh.prepare(view, height)
            assert track._full.image == fresh._full.image, (text, first, last, width)
            assert track._blank.image == fresh._blank.image, (text, first, last, width)
