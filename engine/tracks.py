"""A track of the stage as text: what it shows, of which layer, and how. Plain data.

    network                               the unrolled stack
    norms                                 gradient norms of the states of the layer that the read-out reads
    norms?of=l0.grads.h,l1.grads.h        of these
    l1_reverse.grads.a_f                  a heatmap; without a layer: the one that the read-out reads, forward
    values.h?sample=mean&order=cluster    options, each once, in any order
    flow_training                         ‖∂L/∂h_t‖ over the iterations of the training

Documents, presets and sessions hold tracks as such texts: so they can be written by hand, compared, and checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from engine.columns import BOUND, QUICK
from engine.errors import SpecError
from engine.plaintext import one_line
from engine.quantities import quantities
from engine.spec import CellKind, LayerSpec

NETWORK, NORMS, FLOW_TRAINING = "network", "norms", "flow_training"
WHOLE = (NETWORK, NORMS, "losses", "data", "attention", FLOW_TRAINING)
"""Of the whole network. "data": input, target and output. "flow_training" shows no array of a trace, but what a
training has left behind."""
OF_LAYER = ("share", "growth", "saturation", "singular", "routes")
"""Of one layer: each step's share in a weight's gradient; that gradient filling up on the way back; shares of saturated
and dead units; singular values of the step Jacobian; the share of each route in what goes on to the step before."""
MAX_LENGTH = 400
MAX_CURVES = 16

_CHOICES: dict[str, tuple[str, ...]] = {
    "sample": ("chosen", "mean"),
    "order": ("index", "mean", "cluster"),
    "show": ("signed", "magnitude"),
    "weight": ("weight_hh", "weight_ih"),
}
"""Each option's values, the default first; gradients show their magnitude by default. "of" is a list of keys and "unit"
a number besides."""
_LAYER = re.compile(r"l(?:0|[1-9]\d?)(?:_reverse)?")
_UNIT = re.compile(r"0|[1-9]\d{0,4}")


@dataclass(frozen=True, slots=True)
class TrackSpec:
    """Hashable; equal if it shows the same in the same way."""

    what: str
    """One of `WHOLE`, one of `OF_LAYER`, or a quantity's key: "values.f", "grads.c"."""
    layer: str = ""
    """ "l0", "l1_reverse"; "" is the layer that the read-out reads, forward."""
    options: tuple[tuple[str, str], ...] = ()
    """Those that are not the default, in alphabetical order."""

    def __str__(self) -> str:
        name = f"{self.layer}.{self.what}" if self.layer else self.what
        return name + "".join(f"{'&' if n else '?'}{key}={value}" for n, (key, value) in enumerate(self.options))

    @property
    def is_quantity(self) -> bool:
        return self.what.startswith(("values.", "grads."))

    @property
    def is_gradient(self) -> bool:
        return self.what.startswith("grads.")

    @property
    def on_gradients(self) -> bool:
        """Whether it shares the one scale of all gradients."""
        return self.is_gradient or self.what in (NORMS, FLOW_TRAINING)

    @property
    def is_mean(self) -> bool:
        """Over the samples of the batch: of gradients of their magnitudes, of values as they are."""
        return self.is_quantity and self.option("sample") == "mean"

    @property
    def is_signed(self) -> bool:
        """Whether it shows signs; a mean of magnitudes has none."""
        return self.option("show") == "signed" and not (self.is_gradient and self.is_mean)

    @property
    def key(self) -> str:
        """The array it shows (`Look.keys`): "l1.grads.h", "l1.grads.h@mean" for a mean over the batch."""
        name = f"{self.layer}.{self.what}" if self.layer else self.what
        if self.what in ("share", "growth"):
            name += f".{self.option('weight')}"
        return name + ("@mean" if self.is_mean else "")

    @property
    def of(self) -> tuple[str, ...]:
        """The keys of the curves; () leaves it to the trace."""
        return tuple(part for part in dict(self.options).get("of", "").split(",") if part)

    @property
    def unit(self) -> int | None:
        """The one unit that it shows, from 0; None: all."""
        found = dict(self.options).get("unit")
        return None if found is None else int(found)

    def key_of(self, layers: Sequence[str]) -> str:
        """The same with the layer's name, in a network with these."""
        return self.key if self.layer or self.what in WHOLE else self.on(read_layer(layers)).key

    def option(self, name: str) -> str:
        """Its value, or the default."""
        return dict(self.options).get(name) or _default(name, self.what)

    def having(self, **options: str | None) -> TrackSpec:
        """With other options; None or the default takes one away."""
        found = {**dict(self.options), **options}
        kept = {key: value for key, value in found.items() if value and value != _default(key, self.what)}
        return replace(self, options=tuple(sorted(kept.items())))

    def on(self, layer: str) -> TrackSpec:
        return replace(self, layer=layer)


def options_of(what: str) -> tuple[str, ...]:
    """The options that a track of that kind has."""
    if what == NORMS:
        return ("of",)
    if what in ("share", "growth"):
        return ("weight",)
    return ("sample", "order", "show", "unit") if what.startswith(("values.", "grads.")) else ()


@lru_cache(maxsize=1024)
def parse(text: str) -> TrackSpec:
    """Raises SpecError with one sentence."""
    shown = one_line(text, 60)
    if len(text) > MAX_LENGTH:
        raise SpecError(f"'{shown}' is no track: it has {len(text):,} characters, up to {MAX_LENGTH} are accepted.")
    name, question, tail = text.partition("?")
    layer, dot, rest = name.partition(".")
    what = rest if dot and _LAYER.fullmatch(layer) else name
    layer = layer if what is rest and dot else ""
    if what not in (*WHOLE, *OF_LAYER) and not what.startswith(("values.", "grads.")):
        names = ", ".join((*WHOLE, *OF_LAYER))
        raise SpecError(f"'{shown}' is no track; accepted are {names}, values.SYMBOL and grads.SYMBOL.")
    if layer and what in WHOLE:
        raise SpecError(f"'{shown}' names a layer, but {what} is of the whole network; write '{what}'.")
    options: dict[str, str] = {}
    for part in tail.split("&") if question else ():
        option, _, value = part.partition("=")
        if option not in options_of(what) or option in options:
            accepted = ", ".join(options_of(what)) or "none"
            raise SpecError(f"'{shown}': '{one_line(option, 20)}' is no option here; accepted once each: {accepted}.")
        options[option] = _option(option, value, shown)
    return TrackSpec(what, layer).having(**options)


def _option(option: str, value: str, shown: str) -> str:
    if option == "of":
        parts = value.split(",")
        if not 1 <= len(parts) <= MAX_CURVES or len(set(parts)) != len(parts):
            raise SpecError(f"'{shown}': of has {len(parts)} keys; 1 to {MAX_CURVES} different ones are accepted.")
        for part in parts:
            if not parse(part).is_quantity:
                raise SpecError(f"'{shown}': '{one_line(part, 30)}' is no quantity, as l0.grads.h is.")
        return value
    if option == "unit":
        if not _UNIT.fullmatch(value):
            raise SpecError(f"'{shown}': unit is '{one_line(value, 12)}'; a whole number from 0 is accepted.")
        return value
    if value not in _CHOICES[option]:
        accepted = ", ".join(_CHOICES[option])
        raise SpecError(f"'{shown}': {option} is '{one_line(value, 20)}'; accepted are {accepted}.")
    return value


def _default(option: str, what: str) -> str:
    if option == "show" and what.startswith("grads."):
        return "magnitude"
    return _CHOICES.get(option, ("",))[0]


# -- against a network ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LayerKind:
    """What a track has to know of a layer."""

    cell: CellKind
    hidden_size: int
    layer_norm: bool = False


def layer_kinds(layers: Sequence[LayerSpec]) -> Mapping[str, LayerKind]:
    """By the names that their traces have, from the input on: "l0", "l0_reverse", "l1"."""
    found: dict[str, LayerKind] = {}
    for place, layer in enumerate(layers):
        kind = LayerKind(layer.cell, layer.hidden_size, layer.layer_norm)
        found[f"l{place}"] = kind
        if layer.bidirectional:
            found[f"l{place}_reverse"] = kind
    return MappingProxyType(found)


def read_layer(names: Sequence[str]) -> str:
    """The layer that the read-out reads, in its forward direction: what a track without a layer shows."""
    return list(names)[-1].removesuffix("_reverse")


def check(track: TrackSpec, layers: Mapping[str, LayerKind]) -> None:
    """Raises SpecError where the network has no such layer, quantity or unit."""
    for part in (track, *map(parse, track.of)):
        if part.layer and part.layer not in layers:
            raise SpecError(f"The track '{part}' is of layer {part.layer}; there are {', '.join(layers)}.")
        kind = layers[part.layer or read_layer(tuple(layers))]
        if part.is_quantity:
            symbol = part.what.partition(".")[2]
            there = [q.symbol for q in quantities(kind.cell, kind.layer_norm)]
            if symbol not in there:
                raise SpecError(f"The track '{part}' is of no quantity of that layer; it has {', '.join(there)}.")
        if part.unit is not None and part.unit >= kind.hidden_size:
            raise SpecError(f"The track '{part}' is of unit {part.unit}; the layer has 0 to {kind.hidden_size - 1}.")


def has(track: TrackSpec, layers: Mapping[str, LayerKind]) -> bool:
    try:
        check(track, layers)
    except SpecError:
        return False
    return True


SLOW = ("singular", "growth")
"""What is taken at fewer steps while a slider is held."""


def wanted(tracks: Sequence[TrackSpec], layers: Mapping[str, LayerKind], quick: bool = False) -> tuple[str, ...]:
    """The keys of the arrays that these tracks show, each once, of what the network has. Norms always come along; with
    the curves of an RNN's comes the bound on them. `quick`: what is slow to compute at fewer steps."""
    found: dict[str, None] = {}
    for track in tracks:
        if not has(track, layers):
            continue
        if track.what == NETWORK:
            found |= dict.fromkeys(f"{name}.values.h" for name in layers)
            found["attention"] = None  # where the read-out has any
        elif track.what == NORMS:
            read = read_layer(tuple(layers))
            if layers[read].cell == "rnn":
                found[f"{read}.{BOUND}"] = None
        elif track.is_quantity or track.what in OF_LAYER or track.what == "attention":
            found[track.key_of(tuple(layers)) + (QUICK if quick and track.what in SLOW else "")] = None
    return tuple(found)
