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

from engine.measure import NARROW
from engine.norms import norm
from engine.quantities import GATES

if TYPE_CHECKING:
    from engine.course import Course
    from engine.layer_trace import LayerTrace

Tensors = Mapping[str, Tensor]

_ROOM = 2**20
"""Numbers in the products that are formed at once."""


def input_side(layer: LayerTrace) -> list[str]:
    """What the row blocks of W_ih x + b_ih flow into, in their order: the sums, normalised or not."""
    head = "s" if "norm_weight" in layer.weights else "a"
    return [f"{head}_{gate}" if gate else head for gate in GATES[layer.cell]]


def state_side(layer: LayerTrace) -> list[str]:
    """What the row blocks of W_hh h₋ + b_hh flow into: for the GRU's candidate q, which r multiplies."""
    return ["q" if symbol.endswith("_n") else symbol for symbol in input_side(layer)]


def terms_of_values(layer: LayerTrace) -> dict[str, Tensor]:
    """Size of the terms of every pre-activation and state, one step from the recorded states, as (T, B, H)."""
    v = {symbol: value.double() for symbol, value in layer.values.items()}
    before = {state: value.double() for state, value in layer.before.items()}
    of_x = _product_terms(layer, layer.x, "ih")
    of_h = _product_terms(layer, layer.recurrence.dropped(layer.before["h"]), "hh")
    norm = _NormTerms(layer)
    found: dict[str, Tensor] = {}

    def sums(gate: str, terms: Tensor) -> Tensor:
        """Of the pre-activation, through the normalisation where there is one."""
        name = f"a_{gate}" if gate else "a"
        if norm.there:
            found["s" + name[1:]], terms = terms, norm.forward(gate, terms)
        found[name] = terms
        return terms

    if layer.cell == "rnn":
        a = sums("", of_x[0] + of_h[0])
        slopes = {"tanh": lambda h: 1 - h**2, "sigmoid": lambda h: h * (1 - h)}
        slope = slopes[layer.activation](v["h"]) if layer.activation in slopes else 1.0
        return found | {"h": v["h"].abs() + slope * a}
    if layer.cell == "lstm":
        a_i, a_f, a_g, a_o = (sums(gate, x + h) for gate, x, h in zip("ifgo", of_x, of_h, strict=True))
        i, f, g, o, tanh_c = v["i"], v["f"], v["g"], v["o"], v["c"].tanh()
        kept, new = f * before["c"].abs(), i * g.abs()
        c = kept + new + kept * (1 - f).abs() * a_f + new * (1 - i).abs() * a_i + i * (1 - g**2).abs() * a_g
        h = v["h"].abs() + o * (1 - tanh_c**2) * c + tanh_c.abs() * o * (1 - o).abs() * a_o
        return found | {"c": c.abs(), "h": h.abs()}
    (x_r, x_z, x_n), (h_r, h_z, q) = of_x, of_h
    a_r, a_z = sums("r", x_r + h_r), sums("z", x_z + h_z)
    r, z, n = v["r"], v["z"], v["n"]
    product = (r * v["q"]).abs()
    a_n = sums("n", x_n + product)
    through_n = a_n + (r * q).abs() + product * (1 - r).abs() * a_r
    h = (1 - z).abs() * n.abs() + z.abs() * before["h"].abs()
    h = h + (before["h"] - n).abs() * (z * (1 - z)).abs() * a_z + (1 - z).abs() * (1 - n**2).abs() * through_n
    return found | {"q": q, "h": h}


class _NormTerms:
    """How the sizes of terms go through layer normalisation, one gate at a time."""

    def __init__(self, layer: LayerTrace) -> None:
        self._layer = layer
        self.there = "norm_weight" in layer.weights

    def _of(self, gate: str) -> tuple[Tensor, Tensor, Tensor]:
        """γ and β (H,), and ŝ (T, B, H) with 1/√(σ² + ε)."""
        layer, H = self._layer, self._layer.hidden_size
        block = slice((place := GATES[layer.cell].index(gate)) * H, (place + 1) * H)
        s = layer.values[f"s_{gate}" if gate else "s"].double()
        centred = s - s.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + layer.norm_eps).rsqrt()
        return layer.weights["norm_weight"][block].double(), centred, scale

    def forward(self, gate: str, terms: Tensor) -> Tensor:
        """Of a = γ⊙ŝ + β, where s has these terms."""
        gamma, centred, scale = self._of(gate)
        H = self._layer.hidden_size
        place = GATES[self._layer.cell].index(gate)
        beta = self._layer.weights["norm_bias"][place * H : (place + 1) * H].double()
        standard = (centred * scale).abs()
        moved = terms + terms.mean(-1, keepdim=True) + standard * (terms * standard).mean(-1, keepdim=True)
        return gamma.abs() * moved * scale + beta.abs()

    def backward(self, gate: str, terms: Tensor) -> Tensor:
        """Of δs, where δa has these terms."""
        gamma, centred, scale = self._of(gate)
        standard, sent = (centred * scale).abs(), gamma.abs() * terms
        return (sent + sent.mean(-1, keepdim=True) + standard * (sent * standard).mean(-1, keepdim=True)) * scale

    def state_side(self, d: Tensors, v: Tensors) -> Tensor:
        """Of what meets W_hh on the way back, (T, B, G, H): δs, of which the normalisation may leave next to nothing
        (of two units, all but ε), from δa as it is. Its rounding goes on to the steps before."""
        gates = GATES[self._layer.cell]
        of_s = {g: self.backward(g, d[f"a_{g}" if g else "a"].abs()) for g in gates}
        if self._layer.cell == "gru":  # r is reached through s_n alone, and n meets W_hh as q
            of_r = of_s["n"] * v["q"].abs() * (v["r"] * (1 - v["r"])).abs()
            of_s |= {"r": torch.maximum(of_s["r"], self.backward("r", of_r)), "n": of_s["n"] * v["r"].abs()}
        return torch.stack([of_s[gate] for gate in gates], 2)


def terms_of_gradients(layer: LayerTrace, grads: Tensors) -> dict[str, Tensor]:
    """Size of the terms of every gradient, by the audit's names; `grads` are the reference's, by symbol.

    δh_t is a sum over units, and so as exact as its terms are large. All that is made of it inherits its relative
    error, and so does what reaches the steps before: carried back by norms and no further than the gradient itself is
    carried, for a chain of magnitudes would soon forgive everything.
    """
    d = {symbol: _finite(grad) for symbol, grad in grads.items()}
    course = layer.recurrence.course
    W_hh, W_ih = layer.recurrence.weight_back.double(), layer.weights["weight_ih"].double()
    v = {symbol: value.double() for symbol, value in layer.values.items()}
    side = torch.stack([d[symbol] for symbol in state_side(layer)], 2)  # (T, B, G, H)
    norm = _NormTerms(layer)
    side_terms = norm.state_side(d, v) if norm.there else side.abs()
    drop = 1.0 if layer.drop is None else layer.drop.double()
    through_terms = _added_up(layer, side_terms.flatten(2), W_hh) * drop
    # Of the row blocks, o and everything of the other cells follows from δh; i, f and g follow from δc.
    rows_c = 3 * layer.hidden_size if layer.cell == "lstm" else 0
    from_h = (side.flatten(2)[..., rows_c:] @ W_hh[rows_c:]) * drop
    from_c = (side.flatten(2)[..., :rows_c] @ W_hh[:rows_c]) * drop
    if layer.cell == "gru" and layer.recurrence.carries:
        leak = d["h"] * v["z"]
        through_terms, from_h = through_terms + leak.abs(), from_h + leak
    h_terms = layer.output_grads.double().abs() + _next(course, through_terms, layer.final_grads["h"])
    sizes = {"h": h_terms, "δh": d["h"], "from h": from_h, "from c": from_c}
    if layer.cell == "lstm":
        carried = d["c"] * v["f"] * (1.0 if layer.recurrence.carries else 0.0)
        joined = d["h"] * v["o"] * (1 - v["c"].tanh() ** 2)
        c_terms = _next(course, carried.abs(), layer.final_grads["c"]) + joined.abs()
        if layer.cell_grads is not None:
            c_terms = c_terms + layer.cell_grads.double().abs()
        sizes |= {"c": c_terms, "δc": d["c"], "carried": carried, "joined": joined}
    most = 0.1 / torch.finfo(layer.x.dtype).eps
    of_h, of_c = _conditions({name: _sizes(course.along(array)) for name, array in sizes.items()}, most)
    by_step_h, by_step_c = (course.along(_column(part[:-1], d["h"]).expand_as(d["h"])) for part in (of_h, of_c))
    # Unit by unit where the terms are known, and by the step for what was carried to it.
    relative_h = torch.maximum(_relative(h_terms, d["h"], most), by_step_h)
    by_symbol = {symbol: grad.abs() * relative_h for symbol, grad in d.items()}
    if layer.cell == "lstm":
        relative_c = torch.maximum(_relative(c_terms, d["c"], most), by_step_c)
        of_cell = [s for s in d if s in ("c", "i", "f", "g") or s[1:] in ("_i", "_f", "_g")]
        by_symbol |= {s: d[s].abs() * relative_c for s in of_cell}
    by_symbol["h"] = torch.maximum(by_symbol["h"], h_terms)
    if norm.there:
        for gate in GATES[layer.cell]:
            a_name, s_name = (f"{head}_{gate}" if gate else head for head in ("a", "s"))
            by_symbol[s_name] = torch.maximum(by_symbol[s_name], norm.backward(gate, by_symbol[a_name]))
        if layer.cell == "gru":
            of_n = by_symbol["s_n"]
            r, q = v["r"], v["q"].abs()
            for symbol, local in (("q", r), ("r", q), ("a_r", q * r * (1 - r))):
                by_symbol[symbol] = torch.maximum(by_symbol[symbol], of_n * local)
            by_symbol["s_r"] = torch.maximum(by_symbol["s_r"], norm.backward("r", by_symbol["a_r"]))
    # A subnormal number has lost digits as if a term of the smallest normal size had been added.
    by_symbol = {s: terms.clamp_min(torch.finfo(layer.x.dtype).tiny) for s, terms in by_symbol.items()}
    found = {f"grads.{symbol}": terms for symbol, terms in by_symbol.items()}
    found["initial_grads.h"] = _at_start(course, through_terms) * of_h[-1]
    if layer.cell == "lstm":
        found["initial_grads.c"] = _at_start(course, carried.abs()) * of_c[0]
    of_x = torch.cat([by_symbol[symbol] for symbol in input_side(layer)], -1)
    of_state = torch.cat([by_symbol[symbol] for symbol in state_side(layer)], -1)
    found["input_grad"] = _added_up(layer, of_x, W_ih)
    x, met = _finite(layer.x), _finite(layer.recurrence.dropped(layer.before["h"]))
    ones = torch.ones_like(x[..., :1])

    def over_steps(parts: Tensor, given: Tensor) -> Tensor:
        return _added_up(layer, parts.flatten(0, 1).T, given.flatten(0, 1))

    found["weight_grads.weight_ih"], found["weight_grads.weight_hh"] = over_steps(of_x, x), over_steps(of_state, met)
    if norm.there:
        a = torch.cat([by_symbol["a" + symbol[1:]] for symbol in input_side(layer)], -1)
        standard = torch.cat([(c * r).abs() for _, c, r in map(norm._of, GATES[layer.cell])], -1)
        found["norm_weight terms"], found["norm_bias terms"] = a * (standard + 1.0), a
        for name in ("norm_weight", "norm_bias"):
            found[f"weight_grads.{name}"] = over_steps(found[f"{name} terms"], ones)[:, 0]
    of_biases = {"bias_ih": of_x, "bias_hh": of_state}
    return found | {f"weight_grads.{name}": over_steps(parts, ones)[:, 0] for name, parts in of_biases.items()}


def shares(layer: LayerTrace, grads: Tensors, name: str, sizes: bool = False) -> Tensor:
    """(T, 1) float64: norm of what each step contributes to the gradient of a parameter, formed and measured.

    `sizes`: `grads` holds the sizes of terms, and so does the answer.
    """
    if name.startswith("norm"):
        return _norm_shares(layer, grads, name, sizes)
    of_input = name.endswith("_ih")
    names = input_side(layer) if of_input else state_side(layer)
    left = torch.cat([grads[f"grads.{symbol}"].double() for symbol in names], -1)
    right = (layer.x if of_input else layer.recurrence.dropped(layer.before["h"])).double()
    if name.startswith("bias"):
        right = torch.ones_like(right[..., :1])
    right = right.abs() if sizes else right
    chunk = max(1, _ROOM // (left.shape[2] * right.shape[2]))
    pieces = zip(torch.split(left.mT, chunk), torch.split(right, chunk), strict=True)
    return torch.cat([norm((a @ z).flatten(1), dim=1) for a, z in pieces])[:, None]


def summed(layer: LayerTrace, grads: Tensors) -> dict[str, Tensor]:
    """The parameters' gradients, from those of the steps: dW = Σ δ zᵀ in float64, rounded once.

    For the narrow types, in which autograd adds one step after the other: a bfloat16 that is 256 stays 256, however
    many ones are added to it, so that what it comes to after 1,000 steps measures nobody's error.
    """
    sides = {"ih": (input_side(layer), layer.x), "hh": (state_side(layer), layer.recurrence.dropped(layer.before["h"]))}
    found: dict[str, Tensor] = {}
    for name in layer.weights:
        if name.startswith("norm"):
            total = _norm_parts(layer, grads, name).sum(0)
        else:
            symbols, given = sides[name[-2:]]
            side = torch.cat([grads[f"grads.{symbol}"].double() for symbol in symbols], -1).flatten(0, 1)
            total = side.sum(0) if name.startswith("bias") else side.T @ given.double().flatten(0, 1)
        found[f"weight_grads.{name}"] = total.to(layer.x)
    return found


def _norm_shares(layer: LayerTrace, grads: Tensors, name: str, sizes: bool) -> Tensor:
    """(T, 1): the same of γ and β, whose contributions are sums over the samples."""
    if sizes:
        return norm(grads[f"{name} terms"].sum(1), dim=1)[:, None]
    return norm(_norm_parts(layer, grads, name), dim=1)[:, None]


def _norm_parts(layer: LayerTrace, grads: Tensors, name: str) -> Tensor:
    """(T, G·H): what each step contributes to the gradient of γ or β."""
    terms = _NormTerms(layer)
    parts = []
    for gate in GATES[layer.cell]:
        _, centred, scale = terms._of(gate)
        da = grads[f"grads.a_{gate}" if gate else "grads.a"].double()
        part = da * centred * scale if name == "norm_weight" else da
        parts.append(layer.recurrence.course.zeroed(part).sum(1))
    return torch.cat(parts, -1)


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
    product = _added_up(layer, given.double().abs(), layer.weights[f"weight_{name}"].double().T)
    if f"bias_{name}" in layer.weights:
        product = product + layer.weights[f"bias_{name}"].double().abs()
    return list(product.chunk(len(GATES[layer.cell]), -1))


def _added_up(layer: LayerTrace, terms: Tensor, factors: Tensor) -> Tensor:
    """What rounding counts against when the products of these (..., N) and those (N, M) are added up: Σ|x|; but √Σx² in
    the narrow types. Those are added in float32 and rounded once, and what is left is the rounding of the terms, each
    on its own. With Σ|x|, the gradient of 512 units, most of which cancels, could be forgiven whole."""
    if layer.x.dtype in NARROW:
        return (terms.square() @ factors.square()).sqrt()
    return terms @ factors.abs()


def _finite(array: Tensor) -> Tensor:
    """Float64, with 0 for inf and NaN: those are compared by their places."""
    return torch.nan_to_num(array.double(), nan=0.0, posinf=0.0, neginf=0.0)


def _next(course: Course, terms: Tensor, final: Tensor) -> Tensor:
    """What comes from the step after, at the step that it comes to; from outside at each sample's last one."""
    nothing = torch.zeros_like(terms[:1])
    shifted = torch.cat([nothing, terms[:-1]] if course.reverse else [terms[1:], nothing])
    if course.last is None:
        shifted[0 if course.reverse else -1] += final.double().abs()
        return shifted
    samples = torch.arange(len(final), device=final.device)
    return shifted.index_put((course.last, samples), final.double().abs(), accumulate=True)


def _at_start(course: Course, terms: Tensor) -> Tensor:
    """(B, H): of each sample's first step on this way."""
    if not course.reverse:
        return terms[0]
    if course.lengths is None:
        return terms[-1]
    return terms[(course.lengths - 1).clamp_min(0), torch.arange(terms.shape[1], device=terms.device)]


def _sizes(array: Tensor) -> list[float]:
    """Norm of every step, all samples and units together."""
    sizes: list[float] = norm(array.flatten(1), dim=1).tolist()
    return sizes


def _relative(terms: Tensor, total: Tensor, most: float) -> Tensor:
    """Σ|x| ÷ |Σx| of every entry, 1 … most."""
    return torch.nan_to_num(terms / total.abs(), nan=1.0, posinf=most).clamp(1.0, most)


def _column(factors: list[float], like: Tensor) -> Tensor:
    return torch.tensor(factors, dtype=torch.float64, device=like.device)[:, None, None]
