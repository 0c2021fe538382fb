"""The routes of the gradient as stacked bands: as wide as their shares."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import synthetic
from curves import HEIGHT, WIDTH, end, near, painted, shown, with_series

from engine.columns import SATURATION
from engine.tape import Tape
from explorer.stage import classes
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.tracks import bands
from explorer.stage.tracks.curve_ink import colour_of, edge_of
from explorer.stage.tracks.curve_words import entry_of
from explorer.stage.tracks.plot import style
from explorer.theme import current as theming


@pytest.fixture(autouse=True)
def dark(qapp: object) -> None:
    theming.apply("dark")


def test_bands_add_up_to_one_and_what_works_against_the_rest_lies_below_zero() -> None:
    shares = np.array([[0.5, 0.3, 0.2], [1.4, -0.5, 0.1], [-0.2, -0.1, 1.3]])
    low, high = bands.stacked(shares)
    assert high - low == pytest.approx(np.abs(shares))
    assert high.max(axis=1) - -low.min(axis=1) == pytest.approx(shares.clip(0).sum(1) + shares.clip(max=0).sum(1))
    assert (high.max(axis=1) + low.min(axis=1)) == pytest.approx(shares.sum(1))
    assert (high[shares < 0] <= 0).all()
    assert (low[shares >= 0] >= 0).all()


@pytest.mark.parametrize("T", [20, 3000])
def test_a_bands_pixels_are_as_many_as_its_share(T: int) -> None:
    e = with_series(synthetic.excerpt("lstm", T=T, H=3))
    shares = np.tile([0.4, 0.1, 0.0, 0.2, 0.3], (T, 1))
    data = np.concatenate([shares, np.full((T, 6), -2.0)], 1)
    e = dataclasses.replace(e, arrays={**e.arrays, "l0.routes": data})
    pixels = painted(shown("routes", e), e, end(e))
    ground = near(pixels, theming.current().ground, 6)
    inside = HEIGHT - 2 * edge_of(HEIGHT)
    column = pixels[:, WIDTH // 2 + 3]
    assert abs((~ground[:, WIDTH // 2 + 3]).sum() - inside) <= 6
    top = colour_of(style(0, 1), theming.current())
    orange = [tuple(value) for value in column[-edge_of(HEIGHT) - 4 : -edge_of(HEIGHT) - 1]]
    assert len(set(orange)) == 1
    count = (column == column[-edge_of(HEIGHT) - 3]).all(axis=1).sum()
    assert abs(count - 0.4 * inside) <= 2
    assert top.isValid()


def test_a_step_that_hands_nothing_on_has_no_shares_and_shows_that() -> None:
    e = with_series(synthetic.excerpt("lstm", T=20, H=3))
    data = e.arrays["l0.routes"].copy()
    data[4] = np.nan
    e = dataclasses.replace(e, arrays={**e.arrays, "l0.routes": data})
    track = shown("routes", e)
    assert track.plot is not None
    assert track.plot.curves[0].codes[4] == classes.UNDEFINED
    view = TimeView(20, 1, 20, WIDTH)
    painted(track, e, end(e))
    said = track.hover(int(view.centre(5)), 50, Now.at(Tape(20), end(e)))
    assert said is not None
    assert "nothing passes" in said.values[0]


@pytest.mark.parametrize(("decades", "sign"), [(-40.0, "≈"), (-30.0, "")])
def test_shares_of_a_subnormal_gradient_are_said_to_be_about_right(decades: float, sign: str) -> None:
    """float32 is normal down to 1.2e-38; a share that is exactly 0 is that all the same."""
    e = with_series(synthetic.excerpt("lstm", T=20, H=3))
    data = np.concatenate([np.tile([1.0, 0, 0, 0, 0], (20, 1)), np.full((20, 6), decades)], 1)
    data[:, 6:10] = -np.inf
    track = shown("routes", dataclasses.replace(e, arrays={**e.arrays, "l0.routes": data}))
    assert track.plot is not None
    now, (carousel, other, *_) = Now.at(Tape(20), end(e)), track.plot.curves
    assert entry_of(carousel, track.plot, now).value == (f"{sign}100 %",)
    assert carousel.said(4) == f"{sign}100 %, norm {sign}1e{decades:.0f}"
    assert other.said(4) == "0 %, norm exactly 0"


@pytest.mark.parametrize("key", ["routes", "saturation", "singular"])
def test_hover_and_table_are_exact_and_the_header_is_short(key: str) -> None:
    """Every number reads back as what the series has, to the last digit of a float32."""
    e = with_series(synthetic.excerpt("lstm" if key == "routes" else "rnn", T=20, H=5))
    track = shown(key, e)
    assert track.plot is not None
    now, view, t = Now.at(Tape(20), end(e)), TimeView(20, 1, 20, WIDTH), 5
    painted(track, e, end(e))
    hovered, table = track.hover(int(view.centre(t)), 50, now), track.table(now)
    assert hovered is not None
    row = e.arrays[f"l0.{key}"][t - 1]
    if key == "saturation":
        row = row[[SATURATION.index(column) for column in ("high", "low", "dead")]]
    for place, curve in enumerate(track.plot.curves):
        said = hovered.values[place].partition(" = ")[2]
        assert table.blocks[place].words[t - 1] == said
        first = said.partition(",")[0].removesuffix(" %")
        wanted = 10 ** row[place] if key == "singular" else row[place] * 100
        assert float(first) == pytest.approx(wanted, rel=1e-7)
        digits = entry_of(curve, track.plot, dataclasses.replace(now, step=t)).value[0].removesuffix(" %")
        assert len(digits.replace(".", "").partition("e")[0].lstrip("0")) <= 4
    if key == "routes":
        assert "norm 0.01" in hovered.values[0]
