"""Protects the events above the layers: a loss that is not finite has a tick of its own, with its cause in words."""

from __future__ import annotations

import math

import pytest
import torch

from engine import presets
from engine.operations import run
from engine.requests import Computed, Event, Look
from engine.spec import AddingTask, Experiment, InitSpec, LayerSpec, ModelSpec, ReadoutSpec


def growing(gain: float, *, at: str = "last", dtype: str = "float32") -> Experiment:
    """A ReLU network whose states grow by `gain` at every step."""
    layer = LayerSpec(cell="rnn", hidden_size=4, activation="relu", init=InitSpec(recurrent="orthogonal", gain=gain))
    model = ModelSpec(layers=(layer,), readout=ReadoutSpec(at=at))  # type: ignore[arg-type]
    return Experiment(model=model, task=AddingTask(steps=8, batch_size=2), dtype=dtype)  # type: ignore[arg-type]


def of_loss(experiment: Experiment) -> tuple[Event, ...]:
    found = run("excerpt", Look(Computed(experiment), keys=("values.h",)))
    return tuple(event for event in found.events if event.phase == "loss")


def test_a_squared_error_that_overflows_is_an_event_though_every_output_is_finite() -> None:
    """The states of the preset reach 1e28: their square passes 3.4e38."""
    preset = presets.load("number-overflows")
    found = run("excerpt", Look(Computed(preset.experiment), keys=("values.h",)))
    assert found.loss == math.inf
    assert bool((abs(found.outputs) < math.inf).all())
    (event,) = (event for event in found.events if event.phase == "loss")
    assert (event.kind, event.position(50)) == ("overflow", 50)
    for words in ("loss is inf", "outputs are finite", "squared error", "3.4e38", "float32"):
        assert words in event.sentence
    assert [event.position(50) for event in found.events] == sorted(event.position(50) for event in found.events)


def test_in_the_wider_type_the_same_loss_is_no_event() -> None:
    preset = presets.load("number-overflows")
    wide = Experiment(
        seed=preset.experiment.seed,
        dtype="float64",
        model=preset.experiment.model,
        task=preset.experiment.task,
        training=preset.experiment.training,
    )
    assert of_loss(wide) == ()
    assert of_loss(growing(1.0)) == ()


def test_a_loss_of_a_bad_output_names_the_output() -> None:
    """At a gain of 1e6 the states pass 3.4e38 within eight steps."""
    (event,) = of_loss(growing(1e6))
    assert event.sentence.startswith("The loss is ")
    assert "of the output, " in event.sentence


def test_of_a_loss_at_every_step_the_step_is_named() -> None:
    experiment = growing(1e4, at="every")
    made = run("arrays", Computed(experiment))
    finite_outputs = torch.from_numpy(made["outputs"].copy()).isfinite().flatten(1).all(1)
    bad_losses = ~torch.from_numpy(made["losses"].copy()).isfinite()
    (event,) = of_loss(experiment)
    if bool(finite_outputs.all()):
        assert f"t = {int(bad_losses.nonzero()[0]) + 1} passes" in event.sentence
    else:
        assert f"at t = {int((~finite_outputs).nonzero()[0]) + 1}" in event.sentence


def test_an_output_that_overflows_by_itself_has_its_own_tick_in_the_forward_pass() -> None:
    """States of 1e38 and weights of the read-out that are 1e3: only the output leaves the type."""
    from engine.loss_events import loss_events
    from engine.network import Network

    experiment = growing(1.0, at="every")
    network = Network(experiment)
    weights = {name: weight.clone() for name, weight in network.weights.items()}
    weights["readout.weight"] = torch.full_like(weights["readout.weight"], 3e38)
    weights["readout.bias"] = torch.full_like(weights["readout.bias"], 3e38)
    made = Network(experiment, weights=weights).trace()
    bad = ~made.outputs.isfinite().flatten(1).all(1)
    first, of_the_loss = loss_events(made, experiment.model)
    assert bool(made.layers["l0"].values["h"].isfinite().all())
    assert (first.kind, first.phase, first.step) == ("overflow", "forward", int(bad.nonzero()[0]) + 1)
    assert of_the_loss.phase == "loss"


@pytest.mark.parametrize("slug", ["number-overflows", "vanilla-rnn-forgets"])
def test_an_audit_counts_the_finite_gradients(slug: str) -> None:
    source = Computed(presets.load(slug).experiment)
    audit = run("audit", source)
    arrays = [array for key, array in run("arrays", source).items() if ".grads." in key]
    assert audit.gradients == sum(array.size for array in arrays)
    assert audit.finite == sum(int(torch.isfinite(torch.from_numpy(array.copy())).sum()) for array in arrays)
    assert (audit.finite < audit.gradients) == (slug == "number-overflows")
