"""A divergence names what became not finite first, and of what it offers has made sure that it helps."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch
from training_cases import experiment

from engine.clipping import Clipped
from engine.diverging import first_bad
from engine.initial import initial_weights
from engine.network import Network
from engine.operations import run
from engine.spec import (
    AddingTask,
    ClipSpec,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    OptimizerSpec,
)
from engine.tracing import Trace
from engine.training import clipped_of
from engine.training_requests import Diverged, Train, Trained

NO_CLIP = ClipSpec()


def growing(steps: int = 200, **training: object) -> Experiment:
    """Without a slope h grows twelvefold a step: float32 ends at 3.4e38, after some 36 of them."""
    init = InitSpec(recurrent="orthogonal", spectral_radius=12.0)
    layer = LayerSpec(cell="rnn", hidden_size=8, activation="identity", init=init)
    return experiment(model=ModelSpec(layers=(layer,)), task=AddingTask(steps=steps, batch_size=4), **training)


def halted(given: Experiment, iteration: int = 0, count: int = 30) -> Diverged:
    done: Trained = run("train", Train(given, None, iteration, count, halt=True))
    assert done.diverged is not None
    return done.diverged


def first_overflow(given: Experiment) -> int:
    """t at which the pre-activation of an RNN without a slope first passes float32, computed in float64."""
    weights = {name: weight.double() for name, weight in initial_weights(given).items()}
    x = Network(given).batch(0).x.double()
    h = torch.zeros(x.shape[1], 8, dtype=torch.float64)
    for t in range(len(x)):
        h = x[t] @ weights["weight_ih_l0"].T + h @ weights["weight_hh_l0"].T
        h = h + weights["bias_ih_l0"] + weights["bias_hh_l0"]
        if float(h.abs().max()) > torch.finfo(torch.float32).max:
            return t + 1
    raise AssertionError


def test_what_overflows_on_the_way_forward_is_named_and_not_the_loss_that_comes_of_it() -> None:
    given = growing()
    bad, t = halted(given), first_overflow(given)
    assert 30 < t < 45
    assert (bad.iteration, bad.tensor, bad.phase, bad.layer) == (0, "a of layer 1", "forward", "l0")
    assert bad.step == t
    words = f"Training stopped before iteration 0: a of layer 1 overflows at t = {t} (forward pass)."
    assert bad.sentence.startswith(words)


def test_no_lower_rate_and_no_clipping_is_blamed_where_no_update_has_led_there() -> None:
    bad = halted(growing(learning_rate=0.1))
    assert bad.untrained
    assert "no lower rate or clipping can help" in bad.sentence
    for other in (growing(learning_rate=1e-9), growing(clip=ClipSpec(kind="norm"))):
        assert (halted(other).iteration, halted(other).tensor) == (0, bad.tensor), "as it says"
    later = halted(growing(learning_rate=1e-30), iteration=3)
    assert (later.iteration, later.untrained) == (3, True), "a rate that moves nothing is not to blame either"


def test_what_is_offered_then_helps() -> None:
    bad = halted(growing())
    assert [remedy.kind for remedy in bad.remedies] == ["radius", "steps"], "float64 would overflow, too"
    for remedy in bad.remedies:
        done: Trained = run("train", Train(remedy.experiment, None, 0, 1, halt=True))
        assert done.diverged is None
    radius, steps = (remedy.experiment for remedy in bad.remedies)
    assert radius.model.layers[0].init.spectral_radius == 1.0
    twice = msgspec.structs.replace(steps.task, steps=2 * steps.task.steps)
    longer = msgspec.structs.replace(steps, task=twice)
    assert halted(longer).iteration == 0, "no T of its halves is longer"
    assert "float64" in [remedy.kind for remedy in halted(growing(steps=20)).remedies], "12^20 squared is 1e43"


def test_a_divergence_that_updates_have_led_to_is_not_called_one_of_the_beginning() -> None:
    layer = LayerSpec(cell="rnn", hidden_size=4, activation="identity")
    given = experiment(model=ModelSpec(layers=(layer,)), task=AddingTask(steps=12, batch_size=2), learning_rate=1.0)
    bad = halted(given)
    assert bad.iteration > 0
    assert (bad.untrained, bad.remedies) == (False, ())
    assert "initial weights" not in bad.sentence


def test_squares_that_an_optimiser_keeps_are_helped_by_clipping_and_by_no_rate() -> None:
    layer = LayerSpec(cell="rnn", hidden_size=4, activation="identity", init=InitSpec(gain=1e2))
    given = experiment(
        model=ModelSpec(layers=(layer,)),
        task=AddingTask(steps=8, batch_size=2),
        optimizer=OptimizerSpec(kind="rmsprop"),
        clip=NO_CLIP,
    )
    bad = halted(given, count=3)
    assert (bad.iteration, bad.phase, bad.untrained) == (0, "optimizer", True)
    assert "no lower rate can help" in bad.sentence
    assert bad.remedies[0].kind == "clip"
    assert bad.remedies[0].experiment.training.clip.kind == "norm"


# -- the order --------------------------------------------------------------------------------------------------------


def stack(*, both_ways: bool = False) -> Trace:
    layers = (
        LayerSpec(cell="lstm", hidden_size=3, bidirectional=both_ways),
        LayerSpec(cell="gru", hidden_size=4),
    )
    return Network(experiment(model=ModelSpec(layers=layers), task=AddingTask(steps=9, batch_size=2))).trace()


def poisoned(trace: Trace, part: str, places: dict[str, tuple[str, int]]) -> Trace:
    """With an inf at (symbol, t) of each layer named."""
    layers = dict(trace.layers)
    for name, (symbol, t) in places.items():
        arrays = {key: array.clone() for key, array in getattr(layers[name], part).items()}
        arrays[symbol][t - 1, 0, 0] = torch.inf
        layers[name] = replace(layers[name], **{part: arrays})
    return replace(trace, layers=layers)


def found(trace: Trace, clipping: Clipped | None = None) -> tuple[str, str, int | None]:
    clipping = clipped_of(stack(), NO_CLIP, {}) if clipping is None else clipping
    bad = first_bad(0, trace, clipping, {"readout.bias": torch.full((2,), torch.nan)})
    assert bad is not None
    return bad.tensor, bad.phase, bad.step


@pytest.mark.parametrize(
    ("both_ways", "places", "expected"),
    [
        (False, {"l0": ("a_f", 5), "l1": ("n", 3)}, ("n of layer 2", 3)),
        (False, {"l0": ("c", 3), "l1": ("a_z", 3)}, ("c of layer 1", 3)),
        (True, {"l0": ("h", 5), "l1": ("n", 3)}, ("h of layer 1", 5)),
        (True, {"l0": ("h", 5), "l0_reverse": ("h", 8)}, ("h of layer 1 ←", 8)),
    ],
)
def test_forward_the_first_is_the_one_that_is_computed_first(
    both_ways: bool, places: dict[str, tuple[str, int]], expected: tuple[str, int]
) -> None:
    """Layer by layer at every step; above two directions a layer waits for both, and the second begins at T."""
    trace = poisoned(stack(both_ways=both_ways), "values", places)
    assert found(trace) == (expected[0], "forward", expected[1])


def test_backward_the_first_is_the_latest_step_of_the_last_layer() -> None:
    trace = poisoned(stack(), "grads", {"l0": ("h", 7), "l1": ("a_z", 7)})
    assert found(trace) == ("∂L/∂a_z of layer 2", "backward", 7)
    trace = poisoned(trace, "grads", {"l0": ("a_f", 8)})
    assert found(trace) == ("∂L/∂a_f of layer 1", "backward", 8)
    trace = poisoned(trace, "values", {"l1": ("h", 9)})
    assert found(trace) == ("h of layer 2", "forward", 9), "all of the forward pass comes before"


@pytest.mark.parametrize("symbol", ["a_f", "f", "c"])
def test_within_a_step_what_others_are_made_of_comes_first(symbol: str) -> None:
    trace = stack()
    layer = trace.layers["l0"]
    arrays = {key: array.clone() for key, array in layer.values.items()}
    chain = ["a_f", "f", "c", "h"]
    for made_of_it in chain[chain.index(symbol) :]:
        arrays[made_of_it][3] = torch.nan
    bad = replace(trace, layers={**trace.layers, "l0": replace(layer, values=arrays)})
    assert found(bad) == (f"{symbol} of layer 1", "forward", 4)


def test_what_only_clipping_makes_is_said_to_be_of_clipping() -> None:
    trace = stack()
    before = trace.weight_grads
    grads = {**before, "readout.bias": torch.full_like(before["readout.bias"], np.nan)}
    assert found(trace, Clipped(NO_CLIP, before, grads, {})) == ("clipped gradient of readout.bias", "clipping", None)
