"""What goes down into a layer and out of it, as norms: autograd's, of every layer and direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from engine.network import Network
from engine.operations import run
from engine.requests import Computed, Excerpt, Look
from engine.spec import AddingTask, CellKind, Experiment, LayerSpec, ModelSpec, ReadoutSpec
from engine.tracing import trace

T, B, D, H = 7, 3, 2, 4
MODULES: dict[CellKind, type[nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def excerpt(cell: CellKind, *, bidirectional: bool = False, shortest: int | None = None) -> tuple[Excerpt, Experiment]:
    layer = LayerSpec(cell=cell, hidden_size=H, bidirectional=bidirectional)
    experiment = Experiment(
        model=ModelSpec(layers=(layer, layer), readout=ReadoutSpec(at="every")),
        task=AddingTask(steps=T, batch_size=B, shortest=shortest),
        dtype="float64",
    )
    found = run("excerpt", Look(Computed(experiment), ()))
    assert isinstance(found, Excerpt)
    return found, experiment


def norms(gradient: torch.Tensor) -> np.ndarray:
    """(T, B, …) → (T,): per sample, then the mean."""
    return gradient.norm(dim=2).mean(1).numpy()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_norms_between_two_layers_are_autograds(cell: CellKind) -> None:
    """Two modules of torch with the network's own weights, one after the other, with a handle on what is between."""
    found, experiment = excerpt(cell)
    network = Network(experiment)
    batch = network.batch(0)
    modules = []
    for place, reads in ((0, D), (1, H)):
        module = MODULES[cell](reads, H, dtype=torch.float64)
        module.load_state_dict(
            {
                f"{name.removesuffix(f'_l{place}')}_l0": w
                for name, w in network.weights.items()
                if name.endswith(f"_l{place}")
            }
        )
        modules.append(module)
    x = batch.x.clone().requires_grad_()
    between, _ = modules[0](x)
    between.retain_grad()
    top, _ = modules[1](between)
    top.retain_grad()
    _, losses = network.head(top, batch.targets)
    losses.sum().backward()
    assert x.grad is not None
    assert between.grad is not None
    assert top.grad is not None
    for ours, autograds in (
        (found.layers["l0"].input_norms, x.grad),
        (found.layers["l1"].input_norms, between.grad),
        (found.layers["l0"].direct_norms, between.grad),
        (found.layers["l1"].direct_norms, top.grad),
    ):
        assert ours.dtype == np.float64
        assert ours.shape == (T,)
        np.testing.assert_allclose(ours, norms(autograds), rtol=1e-12)


def test_each_direction_has_its_own_part_of_what_the_layer_reads() -> None:
    """The other direction's part is taken away by handing its copy of x on without a gradient."""
    torch.manual_seed(0)
    both = nn.GRU(D, H, bidirectional=True, dtype=torch.float64)
    x = torch.randn(T, B, D, dtype=torch.float64)
    traced = trace(both, x, loss=lambda y: y.square().sum())
    one = nn.GRU(D, H, dtype=torch.float64)
    for name, reverse in (("l0", False), ("l0_reverse", True)):
        suffix = "_reverse" if reverse else ""
        one.load_state_dict({key: both.state_dict()[key + suffix] for key in one.state_dict()})
        given = (x.flip(0) if reverse else x).clone().requires_grad_()
        out, _ = one(given)
        out.square().sum().backward()
        assert given.grad is not None
        expected = given.grad.flip(0) if reverse else given.grad
        torch.testing.assert_close(traced[name].input_grad, expected, rtol=1e-12, atol=1e-14)


def test_the_excerpt_has_the_norms_of_either_direction() -> None:
    found, experiment = excerpt("gru", bidirectional=True)
    traced = Network(experiment).trace()
    for name in ("l0", "l0_reverse", "l1", "l1_reverse"):
        np.testing.assert_allclose(found.layers[name].input_norms, norms(traced[name].input_grad), rtol=1e-12)
        np.testing.assert_allclose(found.layers[name].direct_norms, norms(traced[name].output_grads), rtol=1e-12)


def test_padding_is_no_step_that_sends_anything_down() -> None:
    found, experiment = excerpt("lstm", shortest=2)
    lengths = Network(experiment).batch(0).lengths
    assert lengths is not None
    assert int(lengths.max()) < T or int(lengths.min()) < T
    for layer in found.layers.values():
        assert np.isnan(layer.input_norms[int(lengths.max()) :]).all()
        assert layer.input_norms[: int(lengths.max())].all()
