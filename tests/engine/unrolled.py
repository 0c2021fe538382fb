"""The independent reference of the engine's tests: a plain loop of torch operations and retain_grad()."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Losses = Callable[[Tensor], Tensor]


@dataclass
class Reference:
    values: dict[str, Tensor]
    grads: dict[str, Tensor]
    initial_grads: dict[str, Tensor]
    weight_grads: dict[str, Tensor]
    input_grad: Tensor
    shares: dict[str, Tensor]
    """Norm of each step's contribution to each parameter's gradient."""


def module(
    kind: str, D: int, H: int, dtype: torch.dtype = torch.float64, bias: bool = True, seed: int = 0
) -> nn.RNNBase:
    """`kind` is "tanh", "relu", "lstm" or "gru". Torch's default weights, drawn from the seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind in ("tanh", "relu"):
            return nn.RNN(D, H, nonlinearity=kind, bias=bias, dtype=dtype)
        return {"lstm": nn.LSTM, "gru": nn.GRU}[kind](D, H, bias=bias, dtype=dtype)


def unrolled(model: nn.RNNBase, x: Tensor, loss: Losses, initial: dict[str, Tensor] | None = None) -> Reference:
    """Everything by torch.autograd. x (T, B, D)."""
    T, B, H = len(x), x.shape[1], model.hidden_size
    # A copy of the parameters for every step, so that each step's contribution can be read by itself.
    copies = [{n: p.detach().clone().requires_grad_() for n, p in model.named_parameters()} for _ in range(T)]
    xs = [x_t.detach().clone().requires_grad_() for x_t in x]
    names = ("h", "c") if isinstance(model, nn.LSTM) else ("h",)
    start = {n: x.new_zeros(B, H) if initial is None else initial[n].detach().clone() for n in names}
    for state in start.values():
        state.requires_grad_()
    state, steps = start, []
    for x_t, w in zip(xs, copies, strict=True):
        v = _step(model, x_t, state, w)
        for tensor in v.values():
            tensor.retain_grad()
        steps.append(v)
        state = v
    loss(torch.stack([v["h"] for v in steps])).sum().backward()
    weight_grads = {n: sum((w[n].grad for w in copies), torch.zeros_like(copies[0][n])) for n in copies[0]}
    return Reference(
        values={n: torch.stack([v[n].detach() for v in steps]) for n in steps[0]},
        grads={n: torch.stack([_grad(v[n]) for v in steps]) for n in steps[0]},
        initial_grads={n: _grad(tensor) for n, tensor in start.items()},
        weight_grads=weight_grads,
        input_grad=torch.stack([_grad(x_t) for x_t in xs]),
        shares={n: torch.stack([torch.linalg.vector_norm(w[n].grad.double()) for w in copies]) for n in copies[0]},
    )


def _grad(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def _step(model: nn.RNNBase, x: Tensor, state: dict[str, Tensor], w: dict[str, Tensor]) -> dict[str, Tensor]:
    x_side, h_side = x @ w["weight_ih_l0"].T, state["h"] @ w["weight_hh_l0"].T
    if model.bias:
        x_side, h_side = x_side + w["bias_ih_l0"], h_side + w["bias_hh_l0"]
    if isinstance(model, nn.LSTM):
        a = dict(zip(("a_i", "a_f", "a_g", "a_o"), (x_side + h_side).chunk(4, 1), strict=True))
        i, f, g, o = a["a_i"].sigmoid(), a["a_f"].sigmoid(), a["a_g"].tanh(), a["a_o"].sigmoid()
        c = f * state["c"] + i * g
        return {**a, "i": i, "f": f, "g": g, "o": o, "c": c, "h": o * c.tanh()}
    if isinstance(model, nn.GRU):
        (x_r, x_z, x_n), (h_r, h_z, q) = x_side.chunk(3, 1), h_side.chunk(3, 1)
        a_r, a_z = x_r + h_r, x_z + h_z
        r, z = a_r.sigmoid(), a_z.sigmoid()
        a_n = x_n + r * q
        n = a_n.tanh()
        h = (1 - z) * n + z * state["h"]
        return {"a_r": a_r, "a_z": a_z, "a_n": a_n, "q": q, "r": r, "z": z, "n": n, "h": h}
    a = x_side + h_side
    return {"a": a, "h": a.relu() if model.nonlinearity == "relu" else a.tanh()}
