"""A wrong what-if, or one that does not fit the experiment, is refused with one sentence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from spec_data import one_sentence

import engine
from engine.checks import check_fit, checked_what_if
from engine.errors import SpecError
from engine.spec import AddingTask, Clamp, Cut, Experiment, GateBias, LayerSpec, ModelSpec, WhatIf

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("given", [None, {}, 3, AddingTask()])
def test_only_a_what_if_is_a_what_if(given: Any) -> None:
    with pytest.raises(SpecError, match=r"^The what-if is .*; an engine\.WhatIf is accepted\.$"):
        checked_what_if(given)


@pytest.mark.parametrize(
    ("change", "start", "accepted"),
    [
        ({"recurrent_scale": NAN}, "what_if.recurrent_scale is nan; ", "a number from 0 to 3 "),
        ({"recurrent_scale": 5.0}, "what_if.recurrent_scale is 5; ", "a number from 0 to 3 "),
        ({"forget_bias": "a"}, "what_if.forget_bias is 'a'; ", "a number"),
        ({"clip_norm": 0.0}, "what_if.clip_norm is 0; ", "a number from 1e-12"),
        ({"spectral_radius": -1.0}, "what_if.spectral_radius is -1; ", "a number from 0 to 1e3"),
        (
            {"spectral_radius": 1.0, "recurrent_scale": 2.0},
            "what_if.spectral_radius is 1 beside what_if.recurrent_scale 2; ",
            "one of them",
        ),
        ({"dtype": "int8"}, "what_if.dtype is 'int8'; ", "'bfloat16', 'float16', 'float32', 'float64' or nothing"),
        ({"gate_biases": 1}, "what_if.gate_biases is 1; ", "a list"),
        (
            {"gate_biases": (GateBias(gate="q", shift=1.0),)},
            "what_if.gate_biases[0].gate is 'q'; ",
            "one of '', 'f', 'g', 'i', 'n', 'o', 'r', 'z' is accepted ('' is the RNN's)",
        ),
        ({"gate_biases": (GateBias(gate="f", shift=INF),)}, "what_if.gate_biases[0].shift is inf; ", "-100 to 100"),
        (
            {"clamps": (Clamp(gate="", value=1.0),)},
            "what_if.clamps[0].gate is ''; ",
            "one of 'f', 'g', 'i', 'n', 'o', 'r', 'z' is accepted.",
        ),
        ({"clamps": (Clamp(gate="f", value=NAN),)}, "what_if.clamps[0].value is nan; ", "from 0 to 1 is accepted."),
        ({"clamps": (Clamp(gate="f", value=2.0),)}, "what_if.clamps[0].value is 2; ", "from 0 to 1 is accepted."),
        ({"clamps": (Clamp(gate="z", value=-0.5),)}, "what_if.clamps[0].value is -0.5; ", "from 0 to 1 is accepted."),
        ({"clamps": (Clamp(gate="g", value=-1.5),)}, "what_if.clamps[0].value is -1.5; ", "from -1 to 1 is accepted."),
        ({"clamps": (Clamp(gate="n", value=1.01),)}, "what_if.clamps[0].value is 1.01; ", "from -1 to 1 is accepted."),
        ({"clamps": (Clamp(gate="f", value=0.5, first=0),)}, "what_if.clamps[0].first is 0; ", "from 1 to 100,000"),
        (
            {"clamps": (Clamp(gate="f", value=0.5), Clamp(gate="f", value=0.5, first=5, last=4))},
            "what_if.clamps[1].last is 4; ",
            "from 5 to 100,000",
        ),
        (
            {"clamps": (Clamp(gate="f", value=0.5, units=()),)},
            "what_if.clamps[0].units is an empty list; ",
            "one unit or more is accepted, or nothing for all",
        ),
        (
            {"clamps": (Clamp(gate="f", value=0.5, units=(0, -1)),)},
            "what_if.clamps[0].units[1] is -1; ",
            "from 0 to 4,095",
        ),
        (
            {"clamps": (Clamp(gate="f", value=0.5, units="all"),)},
            "what_if.clamps[0].units is 'all'; ",
            "a list or nothing",
        ),  # type: ignore[arg-type]
        (
            {"cuts": (Cut(route="c"),)},
            "what_if.cuts[0].route is 'c'; ",
            "one of 'a', 'carousel', 'f', 'g', 'i', 'leak', 'n', 'o', 'r', 'z' is accepted",
        ),
        ({"cuts": (Cut(route="f", layer=0),)}, "what_if.cuts[0].layer is 0; ", "a text"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_what_if_is_refused(change: dict[str, Any], start: str, accepted: str) -> None:
    with pytest.raises(SpecError) as caught:
        checked_what_if(WhatIf(**change))
    sentence = str(caught.value)
    assert sentence.startswith(start), sentence
    assert accepted in sentence
    assert one_sentence(sentence)


STACK = Experiment(
    model=ModelSpec(
        layers=(
            LayerSpec(cell="lstm", hidden_size=4, bidirectional=True),
            LayerSpec(cell="rnn", hidden_size=3),
            LayerSpec(cell="gru", hidden_size=5),
        )
    ),
    task=AddingTask(steps=10),
)


@pytest.mark.parametrize(
    "what_if",
    [
        WhatIf(),
        WhatIf(clamps=(Clamp(gate="o", value=1.0, layer="l0_reverse", first=10, last=10, units=(3,)),)),
        WhatIf(clamps=(Clamp(gate="z", value=1.0, layer="l2", units=(4, 0)), Clamp(gate="g", value=-1.0))),
        WhatIf(cuts=(Cut(route="carousel"), Cut(route="a", layer="l1"), Cut(route="leak", layer="l2"))),
        WhatIf(gate_biases=(GateBias(gate="f", shift=1.0), GateBias(gate="", shift=1.0))),
    ],
)
def test_what_an_experiment_has_can_be_clamped_and_cut(what_if: WhatIf) -> None:
    check_fit(STACK.model.layers, STACK.task.steps, checked_what_if(what_if))


@pytest.mark.parametrize(
    ("what_if", "sentence"),
    [
        (
            WhatIf(clamps=(Clamp(gate="f", value=1.0, layer="l1_reverse"),)),
            "what_if.clamps[0].layer is 'l1_reverse'; this network has l0, l0_reverse, l1, l2.",
        ),
        (
            WhatIf(cuts=(Cut(route="carousel"), Cut(route="leak", layer="l3"))),
            "what_if.cuts[1].layer is 'l3'; this network has l0, l0_reverse, l1, l2.",
        ),
        (
            WhatIf(clamps=(Clamp(gate="z", value=1.0),)),
            "what_if.clamps[0].gate is 'z'; the LSTM has 'i', 'f', 'g', 'o'.",
        ),
        (
            WhatIf(clamps=(Clamp(gate="f", value=1.0, layer="l1"),)),
            "what_if.clamps[0].gate is 'f'; the RNN has no gates that can be held.",
        ),
        (
            WhatIf(clamps=(Clamp(gate="f", value=1.0, first=11),)),
            "what_if.clamps[0].first is 11; the sequence has 10 steps.",
        ),
        (
            WhatIf(clamps=(Clamp(gate="f", value=1.0, last=1000),)),
            "what_if.clamps[0].last is 1,000; the sequence has 10 steps.",
        ),
        (
            WhatIf(clamps=(Clamp(gate="f", value=1.0, units=(0, 4)),)),
            "what_if.clamps[0].units[1] is 4; a whole number from 0 to 3 is accepted.",
        ),
        (
            WhatIf(cuts=(Cut(route="leak"),)),
            "what_if.cuts[0].route is 'leak'; the LSTM has 'carousel', 'i', 'f', 'g', 'o'.",
        ),
        (
            WhatIf(cuts=(Cut(route="carousel", layer="l1"),)),
            "what_if.cuts[0].route is 'carousel'; the RNN has 'a'.",
        ),
    ],
)
def test_what_it_does_not_have_is_named_beside_what_it_has(what_if: WhatIf, sentence: str) -> None:
    checked_what_if(what_if)
    with pytest.raises(SpecError) as caught:
        check_fit(STACK.model.layers, STACK.task.steps, what_if)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("cell", "what_if", "sentence"),
    [
        ("rnn", WhatIf(forget_bias=1.0), "what_if.forget_bias is 1; the RNN has no forget gate, and 0 is accepted."),
        ("gru", WhatIf(forget_bias=-2.0), "what_if.forget_bias is -2; the GRU has no forget gate, and 0 is accepted."),
        (
            "lstm",
            WhatIf(gate_biases=(GateBias(gate="f", shift=1.0), GateBias(gate="z", shift=1.0))),
            "what_if.gate_biases[1].gate is 'z'; the LSTM has 'f', 'g', 'i', 'o'.",
        ),
        (
            "rnn",
            WhatIf(gate_biases=(GateBias(gate="n", shift=1.0),)),
            "what_if.gate_biases[0].gate is 'n'; the RNN has ''.",
        ),
    ],
)
def test_a_shift_that_applies_to_nothing_is_refused_by_whatever_computes(
    cell: Any, what_if: WhatIf, sentence: str
) -> None:
    model = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](2, 3)
    x = torch.zeros(4, 1, 2)
    experiment = Experiment(model=ModelSpec(layers=(LayerSpec(cell=cell, hidden_size=3),)), task=AddingTask(steps=10))
    for compute in (
        lambda: engine.trace(model, x, loss=lambda y: y.sum(), what_if=what_if),
        lambda: engine.trace_long(model, x, lambda y, _: y.sum((1, 2)), what_if=what_if),
        lambda: engine.Network(experiment, what_if=what_if),
    ):
        with pytest.raises(SpecError) as caught:
            compute()
        assert str(caught.value) == sentence
