"""The presets that are there to be trained: what their texts say becomes of them, within the iterations they say."""

from __future__ import annotations

import importlib.util
import math

import pytest

from engine import presets
from engine.history import Evaluation
from engine.training_loop import fit


def evaluations(slug: str, iterations: int) -> dict[int, Evaluation]:
    *_, last = fit(presets.load(slug).experiment, iterations)
    return {one.iteration: one for one in last.evaluations}


def test_the_sum_is_found_after_a_while_at_the_baseline() -> None:
    found = evaluations("learning-to-add", 250)
    # The best constant for the sum of two U(0, 1) costs its variance, 2/12.
    assert found[50].loss > 0.9 / 6, "it rests there"
    assert found[250].loss < 0.1 / 6


def test_which_symbols_may_follow_is_learned_before_the_one_that_was_said_long_ago() -> None:
    found = evaluations("next-symbol", 150)
    baseline = found[150].baseline
    assert baseline is not None
    assert found[150].loss < 0.5 * baseline
    assert found[150].value < 0.8, "of T and P at the end it does not know more than a coin, yet"


def test_some_hundred_iterations_read_most_of_the_digits() -> None:
    found = evaluations("handwritten-digits", 200)
    assert found[200].value > 0.85
    assert found[200].baseline == pytest.approx(math.log(10))


@pytest.mark.parametrize("there", [True, False])
def test_digits_are_offered_where_scikit_learn_is(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.find_spec("msgspec") if there else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    offered = [preset.slug for preset in presets.load_all() if presets.can_be_opened(preset)]
    assert ("handwritten-digits" in offered) is there
    assert "next-symbol" in offered
