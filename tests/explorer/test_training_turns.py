"""Where a training was changed on its way is known by the iteration and in words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from lessons import trained
from training_rig import STEPS, experiment, weights

from engine.spec import (
    NO_WHAT_IF,
    AddingTask,
    ClipSpec,
    Experiment,
    GateBias,
    OptimizerSpec,
    SamplingSpec,
    TruncationSpec,
    WhatIf,
)
from explorer.document.state import State
from explorer.document.turns import Turn, changes


def changed(of: Experiment, **training: Any) -> Experiment:
    return msgspec.structs.replace(of, training=msgspec.structs.replace(of.training, **training))


def test_each_turn_is_at_the_first_iteration_that_was_trained_otherwise() -> None:
    slow = experiment(learning_rate=0.1)
    quick, long = changed(slow, learning_rate=0.03), msgspec.structs.replace(slow, task=AddingTask(steps=9))
    state = State(tracks=(), experiment=slow)
    for first, of, what_if in (
        (0, slow, NO_WHAT_IF),
        (5, slow, NO_WHAT_IF),
        (10, quick, NO_WHAT_IF),
        (15, long, WhatIf(recurrent_scale=2.0)),
        (20, slow, NO_WHAT_IF),
    ):
        state = state.learning(trained(first, 5, weights(first + 5), STEPS, None), (of, what_if))
    assert state.turns[0] == Turn(10, "learning rate 0.1 → 0.03")
    assert [turn.iteration for turn in state.turns] == [10, 15, 20]
    assert state.turns[1].words.startswith(f"T {STEPS} → 9, batch size 3 → ")
    assert state.turns[1].words.endswith("learning rate 0.03 → 0.1, what-if: scale of the recurrent weights 1 → 2")
    assert state.turns[2].words.endswith("what-if taken back")
    assert state.until(15).turns == state.turns[:1], "at the end nothing has gone on with it yet"


def test_what_is_only_edited_is_no_turn_until_it_is_trained_with() -> None:
    slow = experiment(learning_rate=0.1)
    state = State(tracks=(), experiment=slow).learning(trained(0, 5, weights(5), STEPS, None), (slow, NO_WHAT_IF))
    assert state.with_experiment(changed(slow, learning_rate=0.03)).turns == ()


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"learning_rate": 1.5e-4}, "learning rate 0.1 → 1.5e-4"),
        ({"optimizer": OptimizerSpec(kind="adam", beta1=0.5)}, "optimizer sgd → adam"),
        ({"optimizer": OptimizerSpec(momentum=0.9)}, "momentum 0 → 0.9"),
        ({"clip": ClipSpec(kind="norm", max_norm=0.25)}, "clipping none → norm"),
        ({"truncation": TruncationSpec(k1=2, k2=5)}, "truncation on"),
        ({"sampling": SamplingSpec()}, "scheduled sampling on"),
        ({"carry": True}, "carried states off → on"),
        ({"l2": 0.5}, "L2 0 → 0.5"),
    ],
)
def test_a_change_is_said_with_what_was_and_what_is(training: dict[str, Any], words: str) -> None:
    before = experiment()
    after = changed(before, **training)
    assert changes((before, NO_WHAT_IF), (after, NO_WHAT_IF)) == (words,)


def test_a_part_that_is_taken_away_is_off() -> None:
    before = changed(experiment(), truncation=TruncationSpec(k1=2, k2=5))
    assert changes((before, NO_WHAT_IF), (experiment(), NO_WHAT_IF)) == ("truncation off",)


def test_every_field_of_a_what_if_has_words() -> None:
    of = experiment()
    one = WhatIf(gate_biases=(GateBias(gate="", shift=1.0),))
    other = WhatIf(gate_biases=(GateBias(gate="", shift=2.0),))
    assert changes((of, NO_WHAT_IF), (of, one)) == ("what-if: shifted biases 0 → 1",)
    assert changes((of, one), (of, other)) == ("what-if: other shifted biases",)
    for name in WhatIf.__struct_fields__:
        now = {"recurrent_scale": 2.0, "dtype": "float64"}.get(name, 0.5)
        if name in ("gate_biases", "clamps", "cuts"):
            continue
        found = changes((of, NO_WHAT_IF), (of, msgspec.structs.replace(NO_WHAT_IF, **{name: now})))
        assert len(found) == 1, name
        assert found[0].startswith("what-if: "), name
