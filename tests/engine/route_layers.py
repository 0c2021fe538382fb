"""What the tests of routes stand on: layers to look at, and their textbook step in plain torch, routes apart."""

from __future__ import annotations

from collections.abc import Callable

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from unrolled import module

import engine
from engine.layer_trace import LayerTrace
from engine.quantities import ROUTES

KINDS = ("tanh", "relu", "lstm", "gru")
CLOSE = {torch.float64: 1e-10, torch.float32: 1e-4}


def draw(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def at_the_end(y: Tensor) -> Tensor:
    return y[-1].sin().sum()


def every_step(y: Tensor) -> Tensor:
    return (y - 0.1).pow(2).sum((1, 2))


def layer_of(
    kind: str,
    T: int = 6,
    B: int = 2,
    H: int = 4,
    loss: Callable[[Tensor], Tensor] = every_step,
    dtype: torch.dtype = torch.float64,
    gain: float = 1.0,
    seed: int = 0,
    started: bool = True,
) -> LayerTrace:
    model = module(kind, 3, H, dtype, seed=seed)
    with torch.no_grad():
        model.weight_hh_l0.mul_(gain)
    initial = None
    if started:
        initial = {s: 0.5 * draw(B, H, seed=seed + 7 + i, dtype=dtype) for i, s in enumerate(states(kind))}
    return engine.trace(model, draw(T, B, 3, seed=seed, dtype=dtype), loss=loss, initial=initial)["l0"]


def of_any_layer(most_steps: int) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """A test with the arguments of `layer_of`, all of them drawn but the loss."""
    drawn = given(
        kind=st.sampled_from(KINDS),
        T=st.integers(1, most_steps),
        B=st.integers(1, 3),
        H=st.integers(1, 5),
        dtype=st.sampled_from(list(CLOSE)),
        gain=st.sampled_from([0.1, 1.0, 3.0]),
        started=st.booleans(),
        seed=st.integers(0, 1000),
    )
    return lambda test: settings(max_examples=60, deadline=None, derandomize=True)(drawn(test))


def states(kind: str) -> tuple[str, ...]:
    return ("h", "c") if kind == "lstm" else ("h",)


def step(layer: LayerTrace, x: Tensor, by_route: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """The textbook's step in plain torch, where each route has the states before it to itself."""
    w = {name: weight.to(x.dtype) for name, weight in layer.weights.items()}
    H = layer.hidden_size
    order = {"rnn": ("a",), "lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n")}[layer.cell]
    x_side, h_side = {}, {}
    for k, gate in enumerate(order):
        rows = slice(k * H, (k + 1) * H)
        x_side[gate] = w["weight_ih"][rows] @ x + w["bias_ih"][rows]
        h_side[gate] = w["weight_hh"][rows] @ by_route[gate]["h"] + w["bias_hh"][rows]
    if layer.cell == "rnn":
        a = x_side["a"] + h_side["a"]
        return {"h": a.relu() if layer.activation == "relu" else a.tanh()}
    if layer.cell == "lstm":
        i, f, o = ((x_side[k] + h_side[k]).sigmoid() for k in "ifo")
        # c₋ stands in c = f ⊙ c₋ + i ⊙ g alone.
        c = f * by_route["carousel"]["c"] + i * (x_side["g"] + h_side["g"]).tanh()
        return {"h": o * c.tanh(), "c": c}
    r, z = (x_side["r"] + h_side["r"]).sigmoid(), (x_side["z"] + h_side["z"]).sigmoid()
    n = (x_side["n"] + r * h_side["n"]).tanh()
    return {"h": (1 - z) * n + z * by_route["leak"]["h"]}


def before(layer: LayerTrace, t: int, b: int) -> dict[str, Tensor]:
    recorded = layer.initial if t == 1 else {s: layer.values[s][t - 2] for s in layer.initial}
    return {s: recorded[s][b] for s in layer.initial}


def by_jacrev(layer: LayerTrace, t: int, b: int) -> dict[str, Tensor]:
    """{route: (S, S)} in float64, from the recorded states before the step."""
    start = {s: state.double() for s, state in before(layer, t, b).items()}

    def stepped(by_route: dict[str, dict[str, Tensor]]) -> Tensor:
        return torch.cat(list(step(layer, layer.x[t - 1, b].double(), by_route).values()))

    found = torch.func.jacrev(stepped)(dict.fromkeys(ROUTES[layer.cell], start))
    return {route: torch.cat([found[route][s] for s in start], 1) for route in found}


def gap(ours: Tensor, expected: Tensor, scale: Tensor) -> float:
    return float((ours.double() - expected).abs().max() / scale.abs().max().clamp_min(1e-300))


def logs(values: Tensor) -> Tensor:
    return torch.linalg.vector_norm(values, dim=-1).log10()
