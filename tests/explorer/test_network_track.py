"""The unrolled network's picture: what the tape has reached in either direction, widths and colours, losses, hovers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import synthetic
import synthetic_stack
from network_stage import BOTH, at, flat, hover, middle_of, pixels, point, stage_of, track
from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.tape import Tape
from explorer.stage import classes, palette
from explorer.stage.margins import HEADER_WIDTH
from explorer.stage.scales import magnitude, signed
from explorer.stage.stage import Stage
from explorer.stage.tracks.network_margins import wedge_words
from explorer.theme import current as theming


def test_each_direction_appears_from_its_own_end(qtbot: QtBot) -> None:
    T = 20
    stage = stage_of(qtbot, flat(synthetic_stack.stack(BOTH, T=T)))
    known = int(palette.table(signed(1.0), "dark")[classes.code_of(np.float32(0.5), signed(1.0))])
    blank = palette.packed(theming.current().ground)
    for reached in (1, 7, 13, T):
        seen = pixels(at(stage, f"forward:{reached}"))
        for t in range(1, T + 1):
            assert seen[middle_of(stage, 0, t)] == (known if t <= reached else blank)
            assert seen[middle_of(stage, 1, t)] == (known if t >= T + 1 - reached else blank)


def test_gradients_come_from_the_other_end_in_a_reverse_row(qtbot: QtBot) -> None:
    T = 20
    e = flat(synthetic_stack.stack(BOTH, T=T))
    for name in e.layers:
        layer = e.layers[name]
        one = np.full(T, 1e-3)
        e = synthetic_stack.with_layer(
            e, name, norms={**layer.norms, "grads.h": one}, input_norms=one, direct_norms=one
        )
    stage = stage_of(qtbot, e)
    colour = int(palette.wires(magnitude(), "dark")[classes.code_of(1e-3, magnitude())])
    for reached in (T, 14, 8, 1):
        seen = pixels(at(stage, f"backward:{reached}"))
        a = track(stage)._anatomy
        for t in range(2, T):
            x = a.right(t) - 4  # in the right half of the cell, which carries the forward row's wire of step t
            top, bottom = a.rows[0].lanes["h"]
            assert bool((seen[top:bottom, x] == colour).any()) is (t >= reached), t
            top, bottom = a.rows[1].lanes["h"]
            x = a.left(t) + 4
            assert bool((seen[top:bottom, x] == colour).any()) is (t <= T + 1 - reached), t


@pytest.mark.parametrize("name", ["l0", "l0_reverse"])
@pytest.mark.parametrize("field", ["input_norms", "direct_norms"])
def test_upright_wires_that_are_not_reached_leave_no_trace(qtbot: QtBot, name: str, field: str) -> None:
    """Where two directions' wires share a gap, each is shown only as far as its own direction has come."""
    T, t = 20, 15
    e = synthetic_stack.stack(BOTH, T=T, loss_at="every")
    unreached = slice(0, t - 1) if name == "l0" else slice(T + 1 - t, T)
    norms = getattr(e.layers[name], field).copy()
    norms[unreached] = np.nan
    other = synthetic_stack.with_layer(e, name, **{field: norms})
    first, second = (at(stage_of(qtbot, one), f"backward:{t}") for one in (e, other))
    assert first == second
    assert at(stage_of(qtbot, other), "update") != at(stage_of(qtbot, e), "update")


def test_values_that_are_not_reached_leave_no_trace_in_either_direction(qtbot: QtBot) -> None:
    T, t = 20, 6
    e = synthetic_stack.stack((("lstm", True), ("gru", True)), T=T)
    other = e
    for name, layer in e.layers.items():
        values = np.array(e.arrays[f"{name}.values.h"])
        values[slice(0, T - t) if layer.reverse else slice(t, T)] = 0.9
        other = synthetic_stack.with_values(other, name, values)
    assert at(stage_of(qtbot, e), f"forward:{t}") == at(stage_of(qtbot, other), f"forward:{t}")
    assert at(stage_of(qtbot, e), f"forward:{t + 1}") != at(stage_of(qtbot, other), f"forward:{t + 1}")


@pytest.mark.parametrize("T", [6, 45, 1500])
def test_whole_stacks_come_back_to_the_byte_and_partial_repaints_are_whole_ones(qtbot: QtBot, T: int) -> None:
    stage = stage_of(qtbot, synthetic_stack.stack((("lstm", True), ("rnn", False), ("gru", True)), T=T, nan=True))
    length = len(Tape(T))
    way = [*range(0, length, max(1, length // 16)), T - 1, length - 1, T + 1, 2 * T + 1, T + 3, 2, length - 2]
    seen = {}
    for position in way:
        stage.set_position(position)
        QApplication.processEvents()
        partial = stage.screen().grabWindow(stage.winId()).toImage()
        stage.canvas.viewport().update()
        QApplication.processEvents()
        assert stage.screen().grabWindow(stage.winId()).toImage() == partial, f"at {position}"
        seen[position] = stage.grab().toImage()
    for position in reversed(way):
        stage.set_position(position)
        assert stage.grab().toImage() == seen[position], f"at {position}"


# -- widths and colours -----------------------------------------------------------------------------------------------


def test_a_wires_width_and_colour_are_its_gradients_logarithm(qtbot: QtBot) -> None:
    """On 1e-20 … 1e2 a gradient of 10^k takes (k + 20)/22 of the widest wire, for h and for c by themselves."""
    T = 12
    e = synthetic_stack.stack((("lstm", False),), T=T)
    exponents = {"h": np.linspace(-19, 1, T), "c": np.linspace(1, -19, T)}
    norms = {**e.of().norms, **{f"grads.{s}": 10.0**k for s, k in exponents.items()}}
    stage = stage_of(qtbot, synthetic_stack.with_layer(e, "l0", norms=norms), size=(1400, 300))
    seen, a = pixels(at(stage, "update")), track(stage)._anatomy
    wires = palette.wires(magnitude(), "dark")
    for symbol, logs in exponents.items():
        top, bottom = a.rows[0].lanes[symbol]
        widest = min(8, round(0.85 * (bottom - top)))
        for t in range(2, T - 1):
            x = a.right(t) - 3  # inside the cell, past the middle and before its outline
            colour = int(wires[classes.code_of(10.0 ** logs[t - 1], magnitude())])
            assert np.count_nonzero(seen[top:bottom, x] == colour) == max(1, round((logs[t - 1] + 20) / 22 * widest))


def test_what_goes_down_to_the_inputs_is_as_wide_as_its_logarithm(qtbot: QtBot) -> None:
    T = 12
    logs = np.linspace(-17.9, 1.9, T)
    e = synthetic_stack.with_layer(synthetic_stack.stack((("gru", False),), T=T), "l0", input_norms=10.0**logs)
    stage = stage_of(qtbot, e, size=(1400, 300))
    seen, a = pixels(at(stage, "update")), track(stage)._anatomy
    gap, wires = a.gaps[0], palette.wires(magnitude(), "dark")
    widths = []
    for t in range(1, T):
        colour = int(wires[classes.code_of(10.0 ** logs[t - 1], magnitude())])
        widths.append(np.count_nonzero(seen[gap.top + 1, a.left(t) : a.right(t)] == colour))
    assert widths == [max(1, round((k + 20) / 22 * 8)) for k in logs[: T - 1]]


def test_a_gradient_that_is_no_number_of_the_scale_has_its_own_look_on_every_wire(qtbot: QtBot) -> None:
    T = 12
    pictures = []
    for special in (1e-25, 0.0, 1e5, np.inf, np.nan, 1e-3):
        e = synthetic_stack.stack((("gru", False), ("gru", False)), T=T, loss_at="every")
        odd = np.full(T, special)
        layer = e.layers["l1"]
        e = synthetic_stack.with_layer(
            e, "l1", norms={**layer.norms, "grads.h": odd}, input_norms=odd, direct_norms=odd
        )
        stage = stage_of(qtbot, e, size=(1100, 300))
        seen, a = pixels(at(stage, "update")), track(stage)._anatomy
        top, bottom = a.rows[1].lanes["h"]
        pictures.append((seen[top:bottom].tobytes(), seen[a.gaps[1].top : a.gaps[1].bottom].tobytes()))
    for wire in (0, 1):
        assert len({picture[wire] for picture in pictures}) == len(pictures)


# -- padding, read-outs, symbols --------------------------------------------------------------------------------------


def test_padding_is_masked_and_not_zero(qtbot: QtBot) -> None:
    T, length = 20, 14
    e = dataclasses.replace(flat(synthetic_stack.stack(BOTH, T=T)), length=length)
    stage = stage_of(qtbot, e)
    look = palette.looks(signed(1.0), "dark")[classes.UNDEFINED]
    masked = {palette.packed(look.ground), palette.packed(look.hatch)}
    seen, a = pixels(at(stage, "update")), track(stage)._anatomy
    for place in (0, 1):
        row = a.rows[place]
        for t in (length + 1, 18):
            block = seen[row.strip_top : row.strip_bottom, a.left(t) + 4 : a.right(t) - 4]
            assert set(np.unique(block).tolist()) == masked
            top, bottom = row.lanes["h"]
            lane = seen[top + 1 : bottom, a.left(t) + 4 : a.right(t) - 4]
            assert set(np.unique(lane).tolist()) == {palette.packed(theming.current().ground)}
    said = hover(stage, 0, length + 1)
    assert said.endswith(f"padding: this sample ends at t = {length}")
    loss = palette.packed(theming.current().loss)
    pole = np.flatnonzero((seen[a.top_gap.top - 3 : a.top_gap.top - 1] == loss).all(axis=0))
    assert a.left(length) <= pole[-1] <= a.right(length), "the flag hangs at the sample's own last step"


def _loss_zone(stage: Stage) -> np.ndarray:
    seen, a = pixels(at(stage, "loss")), track(stage)._anatomy
    return seen[: a.cells_top]


@pytest.mark.parametrize("kind", ["mean", "attention"])
def test_a_read_out_of_all_steps_has_a_bar_over_all_of_them(qtbot: QtBot, kind: str) -> None:
    e = dataclasses.replace(synthetic_stack.stack((("gru", False),), T=20), readout=kind)
    stage = stage_of(qtbot, e)
    a = track(stage)._anatomy
    zone = _loss_zone(stage) == palette.packed(theming.current().loss)
    assert zone[a.top_gap.top - 2, a.left(1) : a.right(15)].all()  # further right the loss's number stands over it
    for t in range(1, 20):
        assert zone[a.top_gap.top + 2, a.left(t) : a.right(t)].any(), "and a wire down to each step"


def test_attentions_weights_are_the_widths_of_its_wires(qtbot: QtBot) -> None:
    T = 20
    weights = np.linspace(0.2, 1.0, T) / np.linspace(0.2, 1.0, T).sum()
    e = dataclasses.replace(synthetic_stack.stack((("gru", False),), T=T), readout="attention")
    e = dataclasses.replace(e, arrays={**e.arrays, "attention": weights})
    stage = stage_of(qtbot, e)
    a = track(stage)._anatomy
    zone = _loss_zone(stage) == palette.packed(theming.current().loss)
    for t in range(1, T):
        room = a.right(t) - a.left(t)
        width = np.count_nonzero(zone[a.top_gap.top + 2, a.left(t) : a.right(t)])
        assert abs(width - np.linspace(0.2, 1.0, T)[t - 1] * room) <= 0.5


def test_a_loss_at_every_step_has_a_flag_at_every_step_as_high_as_its_part(qtbot: QtBot) -> None:
    T = 20
    losses = np.linspace(0.1, 1.0, T)
    e = dataclasses.replace(synthetic_stack.stack((("gru", False),), T=T, loss_at="every"), losses=losses)
    stage = stage_of(qtbot, e)
    zone, a = _loss_zone(stage), track(stage)._anatomy
    ground = palette.packed(theming.current().ground)
    heights = []
    for t in range(1, T + 1):
        x = a.left(t) + 5
        column = zone[: a.top_gap.top, x]
        run = np.flatnonzero(column[::-1] == ground)
        heights.append(int(run[0]))
    tallest = heights[-1]
    assert tallest >= 8
    assert all(abs(h - loss * tallest) <= 1 for h, loss in zip(heights, losses, strict=True))


def test_symbols_are_written_where_cells_are_wide_enough(qtbot: QtBot) -> None:
    T = 20
    x = np.arange(T, dtype=np.float32)[:, None] % 10
    e = dataclasses.replace(synthetic_stack.stack((("gru", False),), T=T), inputs=x, symbols=10)
    ink = palette.packed(theming.current().text)
    for width, written in ((1100, True), (330, False)):
        stage = stage_of(qtbot, e, size=(width, 300))
        seen, a = pixels(at(stage, "forward:20")), track(stage)._anatomy
        rows = seen[a.inputs_top : a.inputs_bottom, : a.right(18)]
        assert bool((rows == ink).any()) is written
    stage = stage_of(qtbot, e)
    at(stage, "forward:20")
    a, view = track(stage)._anatomy, stage.canvas.view
    assert view is not None
    place = QPoint(HEADER_WIDTH + int(view.centre(4)), stage.canvas.slots[0].top + round(a.inputs_centre))
    said = stage.canvas.hover_at(place)
    assert said is not None
    assert said.text == "t = 4 · input · symbol 3"


@pytest.mark.parametrize("room", range(40, 140, 7))
@pytest.mark.parametrize("ends", [("1e-20", "1e2"), ("1e-308", "1e300")])
def test_what_a_wire_means_is_never_said_in_part(room: int, ends: tuple[str, str]) -> None:
    """Letters of equal width: every line has room; both ends of the scale are named, or neither is."""
    beside, lines = wedge_words("∂L/∂h", ends, 16, lambda text: 6.0 * len(text), (room - 29, room))
    assert 6 * len(beside) <= room - 29 + 0.5
    assert all(line and 6 * len(line) <= room + 0.5 for line in lines)
    said = " ".join(lines)
    assert (ends[0] in said) == (ends[1] in said)
    if room >= 6 * len("1e-308 … 1e300"):
        assert f"{ends[0]} … {ends[1]}" in lines


# -- many ------------------------------------------------------------------------------------------------------------


def test_sixteen_bidirectional_layers_fit_and_can_be_told_apart(qtbot: QtBot) -> None:
    e = synthetic_stack.stack((("lstm", True),) * 16, T=30)
    stage = stage_of(qtbot, e, size=(900, 700))
    assert track(stage).height_hint() <= 600
    at(stage, "update")
    a = track(stage)._anatomy
    assert len(a.rows) == 32
    said = {stage.canvas.hover_at(point(stage, row.strip_top, 9)).where for row in a.rows}  # type: ignore[union-attr]
    assert len(said) == 32
    stage.set_heights({"network": 40})
    at(stage, "backward:9")
    assert len({row.top for row in track(stage)._anatomy.rows}) == 32


def test_ten_thousand_steps_of_a_stack_are_drawn_to_the_last_pixel(qtbot: QtBot) -> None:
    T = 10_000
    e = synthetic_stack.stack((("gru", True), ("gru", False)), T=T, H=2)
    one = np.full(T, 1e-3)
    for name, layer in e.layers.items():
        e = synthetic_stack.with_layer(e, name, norms={**layer.norms, "grads.h": one}, input_norms=one)
    stage = stage_of(qtbot, e, size=(700, 400))
    seen, a = pixels(at(stage, "update")), track(stage)._anatomy
    colour = int(palette.wires(magnitude(), "dark")[classes.code_of(1e-3, magnitude())])
    there = slice(10, round(a.view.centre(T)) - 10)  # between the marks of where either direction is
    for row in a.rows:
        top, bottom = row.lanes["h"]
        assert (seen[(top + bottom) // 2, there] == colour).all()
    assert (seen[(a.gaps[0].top + a.gaps[0].bottom) // 2, there] == colour).all()


def test_the_row_of_the_cell_panel_is_marked(qtbot: QtBot) -> None:
    e = synthetic_stack.stack((("gru", False), ("gru", False)), T=20)
    stage = stage_of(qtbot, e)
    accent = palette.packed(theming.current().accent)
    for name, place in (("l0", 0), ("l1", 1)):
        stage.set_excerpt(dataclasses.replace(e, layer=name))
        at(stage, "forward:10")
        slot = stage.canvas.slots[0]
        header = pixels(stage.canvas.viewport().grab().toImage())[slot.top : slot.bottom, HEADER_WIDTH - 3]
        marked = np.flatnonzero(header == accent)
        row = track(stage)._anatomy.rows[place]
        assert (marked[0], marked[-1] + 1) == (row.top, row.bottom)


def test_one_layer_of_one_direction_looks_as_a_single_row(qtbot: QtBot) -> None:
    """No names of layers where there is only one."""
    stage = stage_of(qtbot, synthetic.excerpt("lstm", T=20))
    at(stage, "update")
    assert len(track(stage)._anatomy.rows) == 1
    y, _ = middle_of(stage, 0, 5)
    said = stage.canvas.hover_at(point(stage, y, 5))
    assert said is not None
    assert said.where.startswith("t = 5 · unit ")
