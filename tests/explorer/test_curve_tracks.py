"""Curve tracks: a pixel stands where the scale puts the number, nothing unreached leaves a trace."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import synthetic
from curves import HEIGHT, WIDTH, end, near, painted, reversed_, row_of, shown, with_series
from pytestqt.qtbot import QtBot

from engine.quantities import ROUTES
from engine.requests import Excerpt
from engine.tape import Tape
from engine.tracks import parse
from explorer.stage import curve_choice
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.scalebook import GRADIENTS, ScaleBook
from explorer.stage.tracks.curve_ink import colour_of, edge_of
from explorer.stage.tracks.curve_words import slope_of
from explorer.stage.tracks.ghost import Ghost
from explorer.stage.tracks.plot import ghost_style, style
from explorer.theme import current as theming


@pytest.fixture(autouse=True)
def dark(qapp: object) -> None:
    theming.apply("dark")


@pytest.mark.parametrize("T", [5, 50, 600])
def test_a_curves_pixels_stand_where_the_scale_puts_its_norms(T: int) -> None:
    e = synthetic.excerpt("rnn", T=T, H=4)
    norms = np.logspace(-12, 0, T)
    e = synthetic.with_norms(e, {**e.norms, "grads.h": norms})
    track = shown("norms", e)
    lit = near(painted(track, e, end(e)), theming.current().backward)
    view = TimeView(T, 1, T, WIDTH)
    for t in {1, 2, T // 2, T - 1, T}:
        rows = np.flatnonzero(lit[:, min(WIDTH - 1, int(view.centre(t)))])
        rows = rows[np.abs(rows + 0.5 - row_of(norms[t - 1], track)) < 9]  # the smallest has words beside its mark
        assert rows.size
        assert abs(rows.mean() + 0.5 - row_of(norms[t - 1], track)) < 1.6, (t, rows, row_of(norms[t - 1], track))


def test_of_many_steps_in_a_pixel_the_largest_and_the_smallest_are_both_seen() -> None:
    T = 5000
    e = synthetic.excerpt("rnn", T=T, H=2)
    norms = np.full(T, 1e-3)
    norms[2345], norms[3456] = 1e-15, 1e1
    e = synthetic.with_norms(e, {**e.norms, "grads.h": norms})
    track = shown("norms", e)
    lit = near(painted(track, e, end(e)), theming.current().backward)
    view = TimeView(T, 1, T, WIDTH)
    for t, value in ((2346, 1e-15), (3457, 1e1)):
        row = row_of(value, track)
        assert lit[int(row) - 1 : int(row) + 2, int(view.centre(t))].any()


@pytest.mark.parametrize("T", [5, 40, 300, 4000])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("key", ["norms", "share", "growth", "routes", "norms?of=grads.h,values.h,grads.a"])
def test_what_the_way_back_has_not_reached_leaves_no_trace(T: int, reverse: bool, key: str) -> None:
    e = with_series(reversed_(synthetic.excerpt("rnn", T=T, H=3), reverse))
    tape = Tape(T)
    t = T // 2
    step = T + 1 - t if reverse else t
    hidden = slice(step, None) if reverse else slice(0, step - 1)
    other = _changed(e, hidden, "grads.")
    book = ScaleBook()
    position = tape.position(tape.parse(f"backward:{t}"))
    pictures = [painted(shown(key, one, book), one, position) for one in (e, other)]
    assert np.array_equal(*pictures)
    assert not np.array_equal(pictures[0], painted(shown(key, other, book), other, end(e)))


@pytest.mark.parametrize("T", [5, 40, 4000])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("key", ["saturation", "singular", "norms?of=values.h"])
def test_what_the_forward_pass_has_not_reached_leaves_no_trace(T: int, reverse: bool, key: str) -> None:
    e = with_series(reversed_(synthetic.excerpt("rnn", T=T, H=3), reverse))
    t = T // 2
    hidden = slice(0, T - t) if reverse else slice(t, None)
    book = ScaleBook()
    pictures = [painted(shown(key, one, book), one, t - 1) for one in (e, _changed(e, hidden, "values."))]
    assert np.array_equal(*pictures)


def test_nothing_of_the_losses_is_drawn_before_the_loss() -> None:
    e = synthetic.excerpt("rnn", T=20, H=3, loss_at="every")
    track = shown("losses", e)
    before, after = painted(track, e, 19), painted(track, e, 20)
    assert not near(before, theming.current().loss).any()
    assert near(after, theming.current().loss).sum() > 300


def _changed(e: Excerpt, hidden: slice, kind: str) -> Excerpt:
    """Other numbers at these steps, on the same scales."""
    norms = {key: array.copy() for key, array in e.norms.items()}
    arrays = {key: array.copy() for key, array in e.arrays.items()}
    for key, array in norms.items():
        if key.startswith(kind):
            array[hidden] *= 0.01
    for key in ("share.weight_hh", "growth.weight_hh", "saturation"):
        arrays[f"l0.{key}"][hidden, :2] *= 0.5
    arrays["l0.singular"][hidden, :4] -= 0.5
    arrays["l0.routes"][hidden, : len(ROUTES[e.cell])] *= 0.5
    layers = {"l0": dataclasses.replace(e.of(), norms=norms)}
    return dataclasses.replace(e, layers=layers, arrays=arrays)


def test_a_reverse_layers_curves_become_known_from_the_last_step_of_its_own_way_on() -> None:
    e = reversed_(synthetic.excerpt("rnn", T=40, H=3), True)
    tape = Tape(40)
    lit = near(painted(shown("norms", e), e, tape.position(tape.parse("backward:30"))), theming.current().backward)
    seen = np.flatnonzero(lit.any(axis=0))
    assert seen.min() < 20
    assert seen.max() <= TimeView(40, 1, 40, WIDTH).centre(11) + 2


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_every_type_of_a_trace_has_its_curves(dtype: str) -> None:
    e = dataclasses.replace(synthetic.excerpt("lstm", T=12, H=3), dtype=dtype)
    assert painted(shown("norms", e), e, end(e)).any()


def ghost_of(e: Excerpt, factor: float, steps: int | None = None) -> Ghost:
    count = steps or e.steps
    norms = {key: array[:count] * factor for key, array in e.norms.items()}
    return Ghost("× 0.5", count, {"l0": dataclasses.replace(e.of(), norms=norms)})


@pytest.mark.parametrize("T", [30, 2000])
def test_a_ghost_stands_at_its_own_norms_in_another_colour_and_is_there_before_the_way_back(T: int) -> None:
    e = synthetic.excerpt("rnn", T=T, H=3)
    e = synthetic.with_norms(e, {**e.norms, "grads.h": np.full(T, 1e-2)})
    track = shown("norms", e)
    plain = painted(track, e, 0)
    track.set_ghosts((ghost_of(e, 1e-6),))
    colour = colour_of(ghost_style(0, 0), theming.current()).name()
    lit = (painted(track, e, 0) != plain).any(axis=2)
    around = np.abs(np.arange(HEIGHT) + 0.5 - row_of(1e-8, track)) < 6
    assert lit[~around].any(), "its name stands beside it"
    lit = lit & around[:, None]
    rows = np.flatnonzero(lit.any(axis=1))
    assert rows.size
    assert abs(rows.mean() + 0.5 - row_of(1e-8, track)) < 1.6
    assert colour != colour_of(style(0, 1), theming.current()).name()
    assert 0.15 * WIDTH < lit.any(axis=0).sum() < 0.8 * WIDTH, "dotted"
    track.set_ghosts(())
    assert np.array_equal(painted(track, e, 0), plain)


def test_a_pinned_trace_of_another_length_is_drawn_on_its_own_steps() -> None:
    e = synthetic.excerpt("rnn", T=40, H=3)
    e = synthetic.with_norms(e, {**e.norms, "grads.h": np.full(40, 1e-2)})
    track = shown("norms", e)
    plain = painted(track, e, 0)
    track.set_ghosts((ghost_of(e, 1e-6, steps=10),))
    lit = (painted(track, e, 0) != plain).any(axis=2)
    assert lit.any(axis=0).nonzero()[0].max() <= TimeView(40, 1, 40, WIDTH).centre(10) + 1
    said = track.hover(int(TimeView(40, 1, 40, WIDTH).centre(5)), 80, Now.at(Tape(40), 0))
    assert said is not None
    assert said.values == ("× 0.5: ‖∂L/∂h‖ = 1e-8",)


def test_sixteen_curves_are_told_apart_without_colour() -> None:
    styles = [style(n, 16) for n in range(16)]
    assert len({(one.dash, one.marker) for one in styles}) == 16
    assert len({one.dash for one in (style(n, 4) for n in range(4))}) == 4


def test_values_that_are_no_numbers_on_the_scale_stand_at_its_edges() -> None:
    e = synthetic.excerpt("rnn", T=20, H=3)
    norms = np.full(20, 1e-2)
    norms[[3, 5, 7, 9]] = 0.0, np.inf, np.nan, 1e-30
    e = synthetic.with_norms(e, {**e.norms, "grads.h": norms})
    book = ScaleBook()
    plain = synthetic.with_norms(e, {**e.norms, "grads.h": np.full(20, 1e-2)})
    pixels, without = (painted(shown("norms", one, book), one, end(e)) for one in (e, plain))
    different = (pixels != without).any(axis=2)
    view = TimeView(20, 1, 20, WIDTH)
    for place, low in ((3, True), (5, False), (7, False), (9, True)):
        column = different[:, int(view.centre(place + 1)) - 5 : int(view.centre(place + 1)) + 6]
        edge = column[-edge_of(HEIGHT) :] if low else column[: edge_of(HEIGHT)]
        assert edge.any(), place


def test_the_pointer_reads_every_curve_exactly_and_says_what_is_not_reached() -> None:
    e = synthetic.excerpt("lstm", T=20, H=3)
    track = shown("norms?of=grads.h,values.c", e)
    view = TimeView(20, 1, 20, WIDTH)
    track.prepare(view, HEIGHT)
    tape = Tape(20)
    now = Now.at(tape, tape.position(tape.parse("backward:12")))
    said = track.hover(int(view.centre(15)), 50, now)
    assert said is not None
    told = dict(value.split(" = ") for value in said.values)
    assert {name: np.float32(number) for name, number in told.items()} == {
        "‖∂L/∂h‖": np.float32(e.norms["grads.h"][14]),
        "‖c‖": np.float32(e.norms["values.c"][14]),
    }
    before = track.hover(int(view.centre(5)), 50, now)
    assert before is not None
    assert len(before.values) == 1
    assert before.note == "1 not reached yet"


def test_the_slope_is_said_for_each_curve_in_its_own_way() -> None:
    T, rate = 40, 0.5
    back = rate ** (T - 1 - np.arange(T))
    e = synthetic.excerpt("rnn", T=T, H=3)
    for reverse, norms in ((False, back), (True, back[::-1])):
        one = synthetic.with_norms(reversed_(e, reverse), {**e.norms, "grads.h": norms.copy()})
        one = reversed_(one, reverse)
        track = shown("norms", one)
        assert track.plot is not None
        said, _ = slope_of(track.plot.curves[0], Now.at(Tape(T), 2 * T))
        assert said == f"−{-math.log10(rate):.2f}"


@pytest.mark.parametrize("ends", [(1e-2, 1e2), (1e-30, 1e-8), (1e6, 1e9)])
def test_the_slope_is_the_same_on_whatever_scale_it_is_looked_at(ends: tuple[float, float]) -> None:
    T, rate = 40, 0.5
    norms = rate ** (T - 1 - np.arange(T)) * np.where(np.arange(T) < T // 2, 3.0, 1.0)  # no line: a part has another
    norms[3], norms[5], norms[7] = 0.0, np.nan, 1e-42
    e = synthetic.with_norms(synthetic.excerpt("rnn", T=T, H=3), {"grads.h": norms})
    book = ScaleBook()
    book.set_chosen({GRADIENTS: (*ends, 0.0)})
    track = shown("norms", e, book)
    assert track.plot is not None
    assert track.plot.axis.ends == tuple(f"1e{round(math.log10(end))}" for end in ends)
    said, _ = slope_of(track.plot.curves[0], Now.at(Tape(T), 2 * T))
    counted = np.flatnonzero(norms >= np.finfo(np.float32).smallest_normal)
    assert len(counted) == T - 3
    slope = np.polyfit(-counted.astype(float), np.log10(norms[counted]), 1)[0]
    assert said.startswith(f"−{-slope:.2f}")


def test_scales_of_curves_stay_when_numbers_change_and_are_new_in_another_document() -> None:
    e = with_series(synthetic.excerpt("rnn", T=20, H=3))
    book = ScaleBook()
    first = shown("growth", e, book).plot
    louder = dataclasses.replace(e, arrays={key: array * 1e6 for key, array in e.arrays.items()})
    second = shown("growth", louder, book).plot
    book.reset()
    third = shown("growth", louder, book).plot
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.axis == second.axis != third.axis


@pytest.mark.parametrize("what", ["share", "growth"])
def test_each_weight_has_a_scale_of_its_own_in_whichever_order_they_are_seen(what: str) -> None:
    e = with_series(synthetic.excerpt("rnn", T=20, H=3))
    quiet = {f"l0.{what}.weight_ih": e.arrays[f"l0.{what}.weight_hh"] * 1e-9}
    e = dataclasses.replace(e, arrays={**e.arrays, **quiet})
    keys = [what, f"{what}?weight=weight_ih"]
    found = []
    for order in (keys, keys[::-1]):
        book = ScaleBook()
        plots = {key: shown(key, e, book).plot for key in order}
        found.append([plot.axis for key in keys if (plot := plots[key]) is not None])
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]


@pytest.mark.parametrize("position", [25, 40])
def test_a_step_without_a_loss_has_no_value_to_be_copied(position: int) -> None:
    e = synthetic.excerpt("rnn", T=20, H=3)
    there = np.arange(20) == 19
    losses = np.where(there, 0.5, np.nan)
    e = dataclasses.replace(e, losses=losses, loss=0.5)
    assert list(e.has_loss) == list(there)
    track = shown("losses", e)
    painted(track, e, position)
    now, view = Now.at(Tape(20), position), TimeView(20, 1, 20, WIDTH)
    none, one = (track.hover(int(view.centre(t)), 50, now) for t in (7, 20))
    assert none is not None
    assert one is not None
    assert (none.values, none.taken) == (("L: no loss here",), ())
    assert one.values == ("L = 0.5",)
    assert [taken.value for taken in one.taken] == ["0.5"]


def test_a_track_says_why_it_is_empty() -> None:
    e = synthetic.excerpt("rnn", T=20, H=3)
    assert shown("l3.growth", e)._why == "There is no layer 4 any more."
    assert shown("growth", e)._why == "Computing…"
    flat = dataclasses.replace(e, layers={"l0": dataclasses.replace(e.of(), activation="identity")})
    assert "nowhere flat" in shown("saturation", flat)._why


def test_the_menu_of_curves_has_a_tick_for_each_that_is_shown_and_makes_the_text_of_the_rest(qtbot: QtBot) -> None:
    from PySide6.QtWidgets import QMenu

    e = synthetic.excerpt("lstm", T=20, H=3)
    taken: list[str] = []
    menu = QMenu()
    qtbot.addWidget(menu)
    curve_choice.add_to(menu, parse("norms"), e, lambda action: taken.append(action.data()))
    curves = menu.actions()[0].menu()
    assert isinstance(curves, QMenu)
    of_layer = curves.actions()[-1].menu()
    assert isinstance(of_layer, QMenu)
    entries = {action.text().split("  ")[0]: action for action in of_layer.actions() if not action.isSeparator()}
    assert [text for text, action in entries.items() if action.isChecked()] == ["‖∂L/∂c‖", "‖∂L/∂h‖"]
    entries["‖∂L/∂a_f‖"].trigger()
    entries["‖∂L/∂c‖"].trigger()
    assert taken == ["norms?of=l0.grads.h,l0.grads.c,l0.grads.a_f", "norms?of=l0.grads.h"]
    back = curve_choice.having(parse("norms?of=l0.grads.h"), ["l0.grads.c", "l0.grads.h"], e)
    assert str(back) == "norms"


@pytest.mark.parametrize(("size", "said"), [(4.6e-45, True), (1.2e-37, False)])
def test_the_hover_of_a_norm_says_that_it_is_subnormal(size: float, said: bool) -> None:
    """float32 is normal down to 1.2e-38, far below the scale."""
    e = synthetic.excerpt("rnn", T=20)
    e = synthetic.with_norms(e, {**e.norms, "grads.h": np.full(20, size)})
    track = shown("norms", e)
    view = TimeView(20, 1, 20, WIDTH)
    track.prepare(view, HEIGHT)
    found = track.hover(int(view.centre(5)), HEIGHT - 5, Now.at(Tape(20), 10**6))
    assert found is not None
    assert "below the scale" in found.note
    assert ("subnormal: its digits are going" in found.note) is said


@pytest.mark.parametrize("key", ["norms", "routes"])
def test_before_the_way_back_a_curve_track_is_the_blank_and_says_so(key: str) -> None:
    """Its dots stand 8 pixels apart, each at its own place: rows of pixels that are not of one colour."""
    e = with_series(synthetic.excerpt("lstm", T=20))
    tape, track = Tape(20), shown(key, e)

    def rows_with_dots(moment: str, columns: slice) -> int:
        pixels = painted(track, e, tape.position(tape.parse(moment)))[:, columns]
        return int((pixels != pixels[:, 3:4]).any(axis=(1, 2)).sum())

    def said(moment: str) -> int:
        now = Now.at(tape, tape.position(tape.parse(moment)))
        return [label.text for label in track._words(now)].count("not reached yet")

    left = slice(0, WIDTH // 5)
    for moment in ("forward:7", "loss"):
        assert rows_with_dots(moment, left) >= HEIGHT // 8 - 3, moment
        assert said(moment) == 1, moment
    assert rows_with_dots("backward:12", left) >= HEIGHT // 8 - 3, "left of the way back it is still the blank"
    assert said("backward:12") == 0
