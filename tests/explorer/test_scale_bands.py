"""How fine a scale of magnitudes is, and what it is when somebody fits it to the numbers on screen."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import synthetic

from engine.requests import Array, Excerpt
from engine.tracks import parse
from explorer.stage import classes, scales
from explorer.stage.scale_dialog import bands_words, read
from explorer.stage.scalebook import ScaleBook
from explorer.stage.scales import GATE, Scale, magnitude, signed
from explorer.stage.tracks import words


def test_the_usual_range_has_two_decades_a_band() -> None:
    assert magnitude().band_words == "2 decades a band"
    assert magnitude().bands == 11


@pytest.mark.parametrize(("decades", "bands"), [(1, 4), (2, 8), (3, 12)])
def test_a_few_decades_are_cut_into_quarters(decades: int, bands: int) -> None:
    assert magnitude(-decades, 0).bands == bands
    assert magnitude(-decades, 0).band_words == "¼ decade a band"


@pytest.mark.parametrize("decades", range(4, 29))
def test_a_range_has_some_eight_to_fourteen_bands(decades: int) -> None:
    scale = magnitude(-decades, 0)
    assert 7 <= scale.bands <= 14
    assert scale.bands * scale.band_decades == scale.decades[1] - scale.decades[0]


def test_a_narrow_range_keeps_the_ends_that_were_asked_for() -> None:
    assert magnitude(-3, 0).decades == (-3, 0)
    assert magnitude(-13, 0).decades == (-13, 0)
    assert magnitude(-15, 0).decades == (-16, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("low", "part"), [(-6, 2), (-4, 4)])
def test_a_number_on_an_edge_is_in_the_band_above_and_the_one_before_it_below(dtype: type, low: int, part: int) -> None:
    scale = magnitude(low, -2)
    edges, bands = np.array([scale.edge(band) for band in range(1, scale.bands)], dtype), range(1, scale.bands)
    assert edges.astype(float) == pytest.approx([10 ** (low + band / part) for band in bands], rel=1e-7)
    assert classes.classify(edges, scale).tolist() == [classes.FIRST + band for band in bands]
    before = np.nextafter(edges, dtype(0))
    assert classes.classify(before, scale).tolist() == [classes.FIRST + band - 1 for band in bands]


def test_the_edge_at_a_quarter_of_a_decade_is_the_double_nearest_to_it() -> None:
    for exponent in (-5, -1, 3):
        scale = magnitude(exponent, exponent + 2)
        for quarter in (1, 3):
            fourth = (scale.edge(quarter) / 10.0**exponent) ** 4
            assert fourth == pytest.approx(10.0**quarter, rel=2e-15)


def test_the_edge_in_the_middle_of_a_decade_is_the_double_nearest_to_it() -> None:
    for exponent in (-5, -1, 3):
        scale = magnitude(exponent, exponent + 4)
        edge = scale.edge(1)
        ten = 10 ** (2 * abs(exponent) + 1)
        square = edge * edge / 10.0 ** (2 * exponent + 1)
        assert square == pytest.approx(1.0, rel=4e-16), ten


def test_headers_and_readouts_say_how_fine_it_is() -> None:
    for scale, said in ((magnitude(-6, -2), "½ decade a band"), (magnitude(-10, 0), "1 decade a band")):
        assert said in words.lines(parse("grads.h"), None, "", scale)
        assert said in words.scale_readout(scale, {}, 0, 0).where


def test_the_dialog_says_what_becomes_of_the_range() -> None:
    assert bands_words(read(magnitude(), ["1e-4", "1e-2"]), "1e-4") == "8 colours, ¼ decade a band."
    said = bands_words(read(magnitude(), ["1e-19", "1e0"]), "1e-19")
    assert said.startswith("10 colours, 2 decades a band. It begins at 1e-20")


# -- fitted -----------------------------------------------------------------------------------------------------------


def _with(e: Excerpt, grads: Array) -> Excerpt:
    layer = e.focus
    norms = {**layer.norms, "grads.h": np.linalg.norm(grads.astype(np.float64), axis=1)}
    focus = dataclasses.replace(layer, norms=norms)
    arrays = {**e.arrays, f"{layer.name}.grads.h": grads}
    return dataclasses.replace(e, arrays=arrays, layers={**e.layers, layer.name: focus})


def _healthy() -> Excerpt:
    """T = 8, H = 4: every gradient between 2e-4 and 5e-3."""
    e = synthetic.excerpt("rnn", T=8, H=4)
    rising = np.geomspace(2e-4, 5e-3, 32).reshape(8, 4)
    return _with(e, np.where(np.arange(32).reshape(8, 4) % 2, -rising, rising).astype(np.float32))


def test_a_fitted_scale_is_the_decades_around_the_gradients_that_a_heatmap_shows() -> None:
    e, book = _healthy(), ScaleBook()
    assert book.fit(parse("grads.h"), e) == magnitude(-4, -2)
    assert book.gradients(e) == magnitude(-4, -2)


def test_a_norm_tracks_scale_is_fitted_to_its_norms() -> None:
    e, book = _healthy(), ScaleBook()
    norms = e.focus.norms["grads.h"]
    low, high = math.floor(math.log10(norms.min())), math.ceil(math.log10(norms.max()))
    assert book.fit(parse("norms?of=grads.h"), e) == magnitude(low, high)


def test_a_number_that_happens_to_be_near_zero_does_not_widen_a_fitted_scale() -> None:
    data = np.full((60, 4), 2e-3)
    data[7, 2] = 1e-18
    assert scales.fitted_sizes(data) == magnitude(-3, -2)


def test_gradients_that_vanish_are_shown_down_to_the_quietest_step() -> None:
    data = np.geomspace(1e-30, 0.5, 200)[:, None] * np.ones(3)
    assert scales.fitted_sizes(data) == magnitude(-30, 0)


def test_what_has_no_size_leaves_the_scale_as_it_was() -> None:
    e, book = _healthy(), ScaleBook()
    for value in (0.0, np.nan, np.inf):
        assert scales.fitted_sizes(np.full((3, 2), value)) is None
    assert book.fit(parse("grads.h"), _with(e, np.zeros((8, 4), np.float32))) == book.gradients(e)
    assert book.chosen == {}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fitted_scale_of_the_widest_range_is_one(dtype: type) -> None:
    kind = np.finfo(dtype)
    scale = scales.fitted_sizes(np.array([[kind.smallest_subnormal], [kind.max]]))
    assert scale is not None
    assert scale.bands <= scales.MOST_BANDS
    assert math.isfinite(scale.high)


def test_gates_and_values_are_fitted_as_well() -> None:
    assert scales.fitted("gate", np.array([[0.62, 0.87]])) == Scale("gate", 0.6, 0.9)
    assert scales.fitted("gate", np.array([[0.001, 0.999]])) == GATE
    assert scales.fitted("gate", np.array([[1.0, 1.0]])) is not None
    assert scales.fitted("signed", np.array([[0.04, -0.02]])) == signed(0.04)


def test_whatever_shares_a_fitted_scale_is_not_above_it() -> None:
    """A heatmap of numbers below 1e-2, of norms above: wires and curves show the norms."""
    e, book = synthetic.excerpt("rnn", T=8, H=64), ScaleBook()
    e = _with(e, np.full((8, 64), 8e-3, np.float32))
    assert e.focus.norms["grads.h"].max() == pytest.approx(8 * 8e-3)
    assert book.fit(parse("grads.h"), e) == magnitude(-3, -1)
