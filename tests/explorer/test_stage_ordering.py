"""The order of a heatmap's units, against a second way to find it; and that hover and marks name the true unit."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
import synthetic
from pytestqt.qtbot import QtBot

from engine.requests import Excerpt
from engine.tape import Tape
from explorer.stage import ordering
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.tracks.heatmap import Heatmap
from explorer.theme import current as theming


def _tree(leaves: list[set[int]], merges: list[tuple[int, int]]) -> set[frozenset[int]]:
    """The sets of units that stand together at some height."""
    branches = dict(enumerate(leaves))
    found = set()
    for a, b in merges:
        branches[a] = branches[a] | branches.pop(b)
        found.add(frozenset(branches[a]))
    return found


def _by_search(between: np.ndarray) -> set[frozenset[int]]:
    """Average linkage by its definition: ever again the two clusters whose members are nearest on average."""
    clusters = [frozenset([unit]) for unit in range(len(between))]
    found = set()
    while len(clusters) > 1:
        pairs = [(a, b) for n, a in enumerate(clusters) for b in clusters[n + 1 :]]
        a, b = min(pairs, key=lambda pair: float(np.mean([[between[i, j] for j in pair[1]] for i in pair[0]])))
        clusters = [one for one in clusters if one not in (a, b)] + [a | b]
        found.add(a | b)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_tree_is_that_of_average_linkage(seed: int) -> None:
    series = np.random.default_rng(seed).normal(size=(11, 5))
    between = np.linalg.norm(series[:, None] - series[None], axis=2)
    np.testing.assert_allclose(ordering.distances(series), between, atol=1e-7)
    assert _tree([{unit} for unit in range(11)], ordering.average_linkage(between)) == _by_search(between)


@pytest.mark.parametrize("seed", range(4))
def test_every_branch_of_the_tree_stands_together(seed: int) -> None:
    series = np.random.default_rng(seed).normal(size=(17, 4))
    order = ordering.clustered(series).tolist()
    assert sorted(order) == list(range(17))
    for branch in _by_search(np.linalg.norm(series[:, None] - series[None], axis=2)):
        rows = sorted(order.index(unit) for unit in branch)
        assert rows == list(range(rows[0], rows[0] + len(rows)))


def test_shuffled_groups_are_found_and_a_line_is_put_in_its_order() -> None:
    rng = np.random.default_rng(1)
    centres = np.array([[0.0] * 6, [4.0] * 6, [9.0] * 6])
    groups = rng.permutation(np.repeat([0, 1, 2], 7))
    order = ordering.clustered(centres[groups] + rng.normal(scale=0.1, size=(21, 6)))
    assert np.count_nonzero(np.diff(groups[order])) == 2
    line = rng.permutation(20)
    assert np.abs(np.diff(line[ordering.clustered(line[:, None] ** 1.5)])).max() == 1


def test_units_by_their_mean_the_largest_on_top_and_no_number_at_the_foot() -> None:
    data = np.array([[1.0, -5.0, np.nan, 2.0], [1.0, -5.0, 1.0, 4.0]])
    assert ordering.by_mean(data, magnitudes=False).tolist() == [3, 0, 1, 2]
    assert ordering.by_mean(data, magnitudes=True).tolist() == [1, 3, 0, 2]
    large = np.full((40, 2), 3e38, np.float32)
    large[:, 1] = 1
    assert ordering.by_mean(large, magnitudes=True).tolist() == [0, 1]


@pytest.mark.parametrize("shape", [(40, 9), (9, 40)])
def test_the_first_component_is_that_of_the_singular_value_decomposition(shape: tuple[int, int]) -> None:
    series = np.random.default_rng(2).normal(size=shape) * np.linspace(4, 1, shape[1])
    centred = series - series.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    expected = np.argsort(-u[:, 0] * s[0])
    found = ordering.by_component(series)
    assert found.tolist() in (expected.tolist(), expected[::-1].tolist())


def test_many_units_fall_back_to_the_component_and_say_so() -> None:
    data = np.random.default_rng(0).normal(size=(30, ordering.MOST_CLUSTERED + 1)).astype(np.float32)
    made = ordering.ordered(data, "cluster", magnitudes=True, logarithmic=True, dtype="float32")
    assert made.words == "by component"
    assert sorted(made.units) == list(range(data.shape[1]))
    few = ordering.ordered(data[:, :9], "cluster", magnitudes=True, logarithmic=True, dtype="float32")
    assert few.words == "clustered"


def test_what_is_no_number_has_a_place_too() -> None:
    data = np.array([[0.0, np.inf, -np.inf, np.nan, 1e-45, 3e38]] * 3, np.float32)
    for logarithmic in (True, False):
        made = ordering.features(data, logarithmic=logarithmic, dtype="float32")
        assert np.isfinite(made).all()
        assert np.abs(made).max() <= 50
    assert (np.zeros((4, 3)) == ordering.features(np.zeros((3, 4)), logarithmic=False, dtype="float64")).all()


def test_the_most_units_and_a_long_trace_are_in_order_before_anybody_waits() -> None:
    data = np.random.default_rng(0).normal(size=(10_000, ordering.MOST_CLUSTERED)).astype(np.float32)
    start = time.perf_counter()
    ordering.ordered(data, "cluster", magnitudes=False, logarithmic=False, dtype="float32")
    assert time.perf_counter() - start < 5  # some 0.3 s; a busy machine may need many times as long


# -- on a track -------------------------------------------------------------------------------------------------------


def _drawn(key: str, e: Excerpt) -> tuple[Heatmap, Now]:
    theming.apply("dark")
    track = Heatmap(key)
    track.set_excerpt(e, ScaleBook())
    track.prepare(TimeView(e.steps, 1, e.steps, e.steps * 10), 10 * e.of().hidden_size)
    return track, Now.at(Tape(e.steps), len(Tape(e.steps)) - 1)


@pytest.mark.parametrize("order", ["mean", "cluster"])
def test_the_hover_readout_names_the_unit_that_stands_there_and_its_number(qtbot: QtBot, order: str) -> None:
    e = synthetic.excerpt("gru", T=9, H=8, unit=3)
    data = e.arrays["l0.values.z"]
    track, now = _drawn(f"values.z?order={order}", e)
    seen = []
    for row in range(8):
        said = track.hover(45, 10 * row + 5, now)
        assert said is not None
        assert said.unit is not None
        assert said.where == f"t = 5 · unit {said.unit}"
        assert said.values == (f"z = {data[4, said.unit]!s}",)
        seen.append(said.unit)
    assert sorted(seen) == list(range(8))
    if order == "mean":
        assert seen == np.argsort(-data.astype(np.float64).mean(0), kind="stable").tolist()


def test_the_mark_of_the_cell_panels_unit_stands_beside_its_row(qtbot: QtBot) -> None:
    from PySide6.QtCore import QRect
    from PySide6.QtGui import QImage, QPainter

    e = synthetic.excerpt("gru", T=9, H=8, unit=3)
    track, now = _drawn("values.z?order=mean", e)
    image = QImage(130, 80, QImage.Format.Format_RGB32)
    image.fill(0)
    painter = QPainter(image)
    track.paint_header(painter, QRect(0, 0, 130, 80), now)
    painter.end()
    accent = theming.current().accent
    marked = [y // 10 for y in range(80) if image.pixelColor(128, y).name() == accent]
    said = track.hover(5, 10 * marked[0] + 5, now)
    assert said is not None
    assert (set(marked), said.unit) == ({marked[0]}, 3)


def test_padding_has_no_part_in_the_order(qtbot: QtBot) -> None:
    e = synthetic.excerpt("rnn", T=20, H=6)
    data = e.arrays["l0.values.h"].copy()
    data[12:] = np.random.default_rng(0).normal(size=(8, 6)) * 100
    one = dataclasses.replace(e, length=12)
    other = dataclasses.replace(synthetic.replaced(e, {"values.h": data}), length=12)
    orders = []
    for shown in (one, other):
        track, now = _drawn("values.h?order=mean", shown)
        readouts = (track.hover(5, 10 * row + 5, now) for row in range(6))
        orders.append([said.unit for said in readouts if said is not None])
    assert orders[0] == orders[1]
    assert len(orders[0]) == 6
