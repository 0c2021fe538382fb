"""How far rounding alone may take two right computations apart.

A sum of rounded numbers is as exact as its terms are large: |fl(Σx) − Σx| ≤ n·u·Σ|x| (Higham 2002, "Accuracy and
Stability of Numerical Algorithms", eq. 4.4). Where the terms almost cancel, that is more than any share of the sum. So
the audit knows of every quantity Σ|x|, the size of its terms; where a quantity is made of others, theirs times the
local slope. Everything here is float64 and computed without engine.cells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.norms import norm
from engine.quantities import GATES

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace

Tensors = Mapping[str, Tensor]

_ROOM = 2**20
"""Numbers in the products that are formed at once."""


def input_side(layer: LayerTrace) -> list[str]:
    """What the row blocks of W_ih x + b_ih flow into, in their order."""
    return [f"a_{gate}" if gate else "a" for gate in GATES[layer.cell]]


def state_side(layer: LayerTrace) -> list[str]:
    """What the row blocks of W_hh h₋ + b_hh flow into: for the GRU's candidate q, which r multiplies."""
    return ["q" if symbol == "a_n" else symbol for symbol in input_side(layer)]


def terms_of_values(layer: LayerTrace) -> dict[str, Tensor]:
    """Size of the terms of every pre-activation and state, one step from the recorded states, as (T, B, H)."""
    v = {symbol: value.double() for symbol, value in layer.values.items()}
    before = {state: value.double() for state, value in layer.before.items()}
    of_x = _product_terms(layer, layer.x, "ih")
    of_h = _product_terms(layer, layer.before["h"], "hh")
    if layer.cell == "rnn":
        a = of_x[0] + of_h[0]
        slope = 1.0 if layer.activation == "relu" else 1 - v["h"] ** 2
        return {"a": a, "h": v["h"].abs() + slope * a}
    if layer.cell == "lstm":
        a_i, a_f, a_g, a_o = (x + h for x, h in zip(of_x, of_h, strict=True))
        i, f, g, o, tanh_c = v["i"], v["f"], v["g"], v["o"], v["c"].tanh()
        kept, new = f * before["c"].abs(), i * g.abs()
        c = kept + new + kept * (1 - f) * a_f + new * (1 - i) * a_i + i * (1 - g**2) * a_g
        h = v["h"].abs() + o * (1 - tanh_c**2) * c + tanh_c.abs() * o * (1 - o) * a_o
        return {"a_i": a_i, "a_f": a_f, "a_g": a_g, "a_o": a_o, "c": c, "h": h}
    (x_r, x_z, x_n), (h_r, h_z, q) = of_x, of_h
    a_r, a_z = x_r + h_r, x_z + h_z
    r, z, n = v["r"], v["z"], v["n"]
    product = r * v["q"].abs()
    through_n = x_n + r * q + product * (1 - r) * a_r
    h = (1 - z) * n.abs() + z * before["h"].abs()
    h = h + (before["h"] - n).abs() * z * (1 - z) * a_z + (1 - z) * (1 - n**2) * through_n
    return {"a_r": a_r, "a_z": a_z, "q": q, "a_n": x_n + product, "h": h}


def terms_of_gradients(layer: LayerTrace, grads: Tensors) -> dict[str, Tensor]:
    """Size of the terms of every gradient, by the audit's names; `grads` are the reference's, by symbol.

    δh_t is a sum over units, and so as exact as its terms are large. All that is made of it inherits its relative
    error, and so does what reaches the steps before: carried back by norms and no further than the gradient itself is
    carried, for a chain of magnitudes would soon forgive everything.
    """
    d = {symbol: _finite(grad) for symbol, grad in grads.items()}
    W_hh, W_ih = layer.weights["weight_hh"].double(), layer.weights["weight_ih"].double()
    v = {symbol: value.double() for symbol, value in layer.values.items()}
    side = torch.stack([d[symbol] for symbol in state_side(layer)], 2)  # (T, B, G, H)
    through_terms = side.abs().flatten(2) @ W_hh.abs()
    # Of the row blocks, o and everything of the other cells follows from δh; i, f and g follow from δc.
    rows_c = 3 * layer.hidden_size if layer.cell == "lstm" else 0
    from_h, from_c = side.flatten(2)[..., rows_c:] @ W_hh[rows_c:], side.flatten(2)[..., :rows_c] @ W_hh[:rows_c]
    if layer.cell == "gru":
        leak = d["h"] * v["z"]
        through_terms, from_h = through_terms + leak.abs(), from_h + leak
    h_terms = layer.output_grads.double().abs() + _next(through_terms, layer.final_grads["h"])
    sizes = {"h": _sizes(h_terms), "δh": _sizes(d["h"]), "from h": _sizes(from_h), "from c": _sizes(from_c)}
    if layer.cell == "lstm":
        carried, joined = d["c"] * v["f"], d["h"] * v["o"] * (1 - v["c"].tanh() ** 2)
        c_terms = _next(carried.abs(), layer.final_grads["c"]) + joined.abs()
        sizes |= {"c": _sizes(c_terms), "δc": _sizes(d["c"]), "carried": _sizes(carried), "joined": _sizes(joined)}
    most = 0.1 / torch.finfo(layer.x.dtype).eps
    of_h, of_c = _conditions(sizes, most)
    # Unit by unit where the terms are known, and by the step for what was carried to it.
    relative_h = torch.maximum(_relative(h_terms, d["h"], most), _column(of_h[:-1], d["h"]))
    by_symbol = {symbol: grad.abs() * relative_h for symbol, grad in d.items()}
    if layer.cell == "lstm":
        relative_c = torch.maximum(_relative(c_terms, d["c"], most), _column(of_c[:-1], d["c"]))
        by_symbol |= {s: d[s].abs() * relative_c for s in ("c", "i", "f", "g", "a_i", "a_f", "a_g")}
    by_symbol["h"] = torch.maximum(by_symbol["h"], h_terms)
    # A subnormal number has lost digits as if a term of the smallest normal size had been added.
    by_symbol = {s: terms.clamp_min(torch.finfo(layer.x.dtype).tiny) for s, terms in by_symbol.items()}
    found = {f"grads.{symbol}": terms for symbol, terms in by_symbol.items()}
    found["initial_grads.h"] = through_terms[0] * of_h[-1]
    if layer.cell == "lstm":
        found["initial_grads.c"] = carried[0].abs() * of_c[0]
    of_x = torch.cat([by_symbol[symbol] for symbol in input_side(layer)], -1)
    of_state = torch.cat([by_symbol[symbol] for symbol in state_side(layer)], -1)
    found["input_grad"] = of_x @ W_ih.abs()
    found["weight_grads.weight_ih"] = of_x.flatten(0, 1).T @ _finite(layer.x).abs().flatten(0, 1)
    found["weight_grads.weight_hh"] = of_state.flatten(0, 1).T @ _finite(layer.before["h"]).abs().flatten(0, 1)
    return found | {"weight_grads.bias_ih": of_x.sum((0, 1)), "weight_grads.bias_hh": of_state.sum((0, 1))}


def shares(layer: LayerTrace, grads: Tensors, name: str, sizes: bool = False) -> Tensor:
    """(T, 1) float64: norm of what each step contributes to the gradient of a parameter, formed and measured.

    `sizes`: `grads` holds the sizes of terms, and so does the answer.
    """
    of_input = name.endswith("_ih")
    names = input_side(layer) if of_input else state_side(layer)
    left = torch.cat([grads[f"grads.{symbol}"].double() for symbol in names], -1)
    right = (layer.x if of_input else layer.before["h"]).double()
    if name.startswith("bias"):
        right = torch.ones_like(right[..., :1])
    right = right.abs() if sizes else right
    chunk = max(1, _ROOM // (left.shape[2] * right.shape[2]))
    pieces = zip(torch.split(left.mT, chunk), torch.split(right, chunk), strict=True)
    return torch.cat([norm((a @ z).flatten(1), dim=1) for a, z in pieces])[:, None]


def _conditions(size: Mapping[str, list[float]], most: float) -> tuple[list[float], list[float]]:
    """(T + 1) relative budgets of δh and of δc: 1 where nothing cancels, at most `most`. The last is step 0's.

    Errors of different steps add up like a random walk, by their squares. `most` keeps an error as large as the
    gradient itself from being forgiven.
    """
    T = len(size["h"])
    of_h, of_c = [1.0] * (T + 1), [1.0] * (T + 1)
    h_now = c_now = 1.0
    for t in range(T - 1, -2, -1):
        carried = math.hypot(h_now * size["from h"][t + 1], c_now * size["from c"][t + 1]) if t + 1 < T else 0.0
        if t < 0:
            arrived = size["from h"][0] + size["from c"][0]
            of_h[T] = _ratio(carried, arrived, most)
            break
        h_next = _ratio(math.hypot(size["h"][t], carried), size["δh"][t], most)
        if "c" in size:
            kept = c_now * size["carried"][t + 1] if t + 1 < T else 0.0
            budget = math.hypot(size["c"][t], kept, h_next * size["joined"][t])
            c_now = of_c[t] = _ratio(budget, size["δc"][t], most)
        h_now = of_h[t] = h_next
    return of_h, of_c


def _ratio(budget: float, size: float, most: float) -> float:
    if not math.isfinite(budget) or not math.isfinite(size) or budget <= size:
        return 1.0
    return min(budget / size, most) if size > 0 else most


def _product_terms(layer: LayerTrace, given: Tensor, name: str) -> list[Tensor]:
    """|W||given| + |b| by row blocks, (T, B, H) each."""
    product = given.double().abs() @ layer.weights[f"weight_{name}"].double().abs().T
    if f"bias_{name}" in layer.weights:
        product = product + layer.weights[f"bias_{name}"].double().abs()
    return list(product.chunk(len(GATES[layer.cell]), -1))


def _finite(array: Tensor) -> Tensor:
    """Float64, with 0 for inf and NaN: those are compared by their places."""
    return torch.nan_to_num(array.double(), nan=0.0, posinf=0.0, neginf=0.0)


def _next(terms: Tensor, final: Tensor) -> Tensor:
    """What comes from the step after, at the step that it comes to; from outside at the last one."""
    return torch.cat([terms[1:], final.double().abs().unsqueeze(0)])


def _sizes(array: Tensor) -> list[float]:
    """Norm of every step, all samples and units together."""
    sizes: list[float] = norm(array.flatten(1), dim=1).tolist()
    return sizes


def _relative(terms: Tensor, total: Tensor, most: float) -> Tensor:
    """Σ|x| ÷ |Σx| of every entry, 1 … most."""
    return torch.nan_to_num(terms / total.abs(), nan=1.0, posinf=most).clamp(1.0, most)


def _column(factors: list[float], like: Tensor) -> Tensor:
    return torch.tensor(factors, dtype=torch.float64, device=like.device)[:, None, None]
