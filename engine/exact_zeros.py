"""Why a gradient has become exactly 0 from one step to the one before it: what would have reached it, had it not been
stopped. A route that is cut and a gate that is held are somebody's own doing, dropout is chance, and a weight may be 0;
what is left is a slope that is exactly 0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from engine.precision import arithmetic
from engine.quantities import QUANTITIES, ROUTES
from engine.routes import added, step_back, values_of

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace

Tensors = Mapping[str, Tensor]
FLAT = "a derivative on their way is exactly 0 (a dead or saturated unit)"


def why_zero(layer: LayerTrace, state: str, at: int, fallen: Tensor) -> str:
    """In words, for the entries (B, H) of a state's gradient that are 0 at the step before the one at index `at`, in
    the layer's order. Where there are several reasons each is said."""
    with arithmetic(layer.x):
        found: list[str] = []
        rest = fallen
        for reasons, without in _stopped(layer):
            reached = _reaching(layer, state, at, without) != 0
            if bool(((fallen if len(reasons) == 1 else rest) & reached).any()):
                found += [reason for reason in reasons if reason not in found]
                rest = rest & ~reached
        if state == "h" and bool((rest & _without_weights(layer)).any()):
            found.append("no weight leads on from them")
            rest = rest & ~_without_weights(layer)
        if bool(rest.any()):
            found.append(FLAT)
        return "; ".join(found)


@dataclass(frozen=True, slots=True)
class _Without:
    """What is taken away in thought."""

    cuts: bool = False
    holds: bool = False
    drop: bool = False


def _stopped(layer: LayerTrace) -> list[tuple[tuple[str, ...], _Without]]:
    """In words what can have stopped a gradient, one thing at a time and then two together, and a layer without it."""
    found: list[tuple[tuple[str, ...], _Without]] = []
    cuts = _listed("W_hh" if route == "a" else route for route in layer.cuts)
    holds = _listed(layer.held)
    cut = f"the routes {cuts} are cut" if len(layer.cuts) > 1 else f"the route {cuts} is cut"
    held = f"{holds} {'are' if len(layer.held) > 1 else 'is'} held at a value, and no gradient passes there"
    if layer.cuts:
        found.append(((cut,), _Without(cuts=True)))
    if layer.held:
        found.append(((held,), _Without(holds=True)))
    if layer.drop is not None:
        found.append((("recurrent dropout has left them out",), _Without(drop=True)))
    if layer.cuts and layer.held:
        found.append(((cut, held), _Without(cuts=True, holds=True)))
    return found


def _reaching(layer: LayerTrace, state: str, at: int, without: _Without) -> Tensor:
    """(B, H): what would come to a state's gradient from the step at index `at`."""
    reached = at + (1 if layer.reverse else -1)
    values = values_of(layer)
    v, there = ({name: array[step] for name, array in values.items()} for step in (at, reached))
    if without.holds:
        v, there = _free(layer, v), _free(layer, there)
    if without.drop:
        v.pop("drop", None)
    only = None if without.cuts else tuple(route for route in ROUTES[layer.cell] if route not in layer.cuts)
    before = {name: array[at] for name, array in layer.before.items()}
    d = {name: layer.passing[name][at] for name in layer.rules.state_names}
    parts = step_back(layer.rules, layer.weights["weight_hh"], v, before, d, only)
    return layer.rules.join(there, added(parts, d))[state]


def _free(layer: LayerTrace, v: Tensors) -> dict[str, Tensor]:
    """A step's values with gates that nobody holds."""
    found = {name: value for name, value in v.items() if not name.startswith("held_")}
    for q in QUANTITIES[layer.cell]:
        if q.symbol in layer.held:
            a = v[f"a_{q.symbol}"]
            own = a.sigmoid() if q.kind == "gate" else a.tanh()
            found[q.symbol] = own.where(v[f"held_{q.symbol}"], v[q.symbol])
    return found


def _without_weights(layer: LayerTrace) -> Tensor:
    """(H,): the units that meet no other in W_hh h₋, and not themselves."""
    return (layer.weights["weight_hh"] == 0).all(0)


def _listed(names: Iterable[str]) -> str:
    """ "f", "f and g", "f, g and i"."""
    *first, last = sorted(names) or [""]
    return f"{', '.join(first)} and {last}" if first else last
