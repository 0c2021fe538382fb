"""From what was heard of one call of a layer to a trace: the forward pass again, from the same weights, input, initial
states and random state, held against what the module really answered; then BPTT from the gradients that came.

A chaotic layer takes two right computations apart. So where the second one does not come to the same states, every step
is made from the state that the module itself had there, and looked at by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from engine import bptt
from engine.autocast import Casting
from engine.course import Course
from engine.errors import DataError
from engine.flow import LossGradients
from engine.intake import by_level, check_sequence, with_initial_states
from engine.layer_trace import LayerTrace
from engine.listening import Run, set_random_state
from engine.measure import TOLERANCE, step_errors
from engine.precision import arithmetic
from engine.recurrence import Recurrence
from engine.stack import Layer, joined_input_grad, split
from engine.tracing import Trace

Tensors: TypeAlias = Mapping[str, Tensor]
Values: TypeAlias = list[list[dict[str, Tensor]]]
"""Of each level's layers."""
Forward: TypeAlias = Callable[[Recurrence, Tensor, Tensors, "Tensor | None"], dict[str, Tensor]]
"""(layer, stream, initial, the h that it had if that is known) → values."""

ROUNDING = {**TOLERANCE, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""How far a step may be from what the module answered, as engine.measure measures it."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What the module answered."""

    output: Tensor
    """(T, B, W)."""
    last: Tensors
    """{"h", "c"}: (layers · directions, B, H) each."""


@dataclass(frozen=True, eq=False)
class _Heard:
    """One call, ready to be run again."""

    levels: list[list[Layer]]
    """With the initial states that they had."""
    x: Tensor
    """(T, B, D), rounded as the module rounds it."""
    lengths: Tensor | None
    masks: list[Tensor]
    """What the module multiplied with between its levels."""
    answer: Answer
    casting: Casting


def trace_of_call(run: Run, called: str) -> Trace:
    """Raises DataError, with a sentence in which the module is `called` so, where the replay is not what ran."""
    (call,), layout = run.calls, run.layout
    assert run.copies is not None
    casting = run.casting
    bare = casting.layers(run.copies.layers)
    levels = by_level(bare)
    like = levels[0][0].weights["weight_hh"]
    with arithmetic(like):
        x = casting.rounded(layout.time_first(call.x)).contiguous()
        check_sequence(x, levels[0][0].weights["weight_ih"].shape[1], like)
        initial = (
            {s: _stacked(state, run) for s, state in casting.initial(run.initial).items()} if run.initial else None
        )
        levels = by_level(with_initial_states(bare, initial, x.shape[1], like))
        output = layout.time_first(call.outputs["output"]).contiguous()
        answer = Answer(output, {s: _stacked(call.outputs[s], run) for s in levels[0][0].initial})
        heard = _Heard(levels, x, layout.lengths, _masks(run, casting.state(call.x)), answer, casting)
        streams, values = _replayed(heard, _refusal(run, x, called))
        cotangent = call.total("output")
        cotangent = torch.zeros_like(output) if cotangent is None else layout.time_first(cotangent).contiguous()
        final = {s: torch.zeros_like(state) for s, state in answer.last.items()}
        final |= {s: _stacked(total, run) for s in final if (total := call.total(s)) is not None}
        layers = _back(heard, streams, values, cotangent, final)
    return recorded({name: casting.marked(layer) for name, layer in layers.items()}, output)


def recorded(layers: Mapping[str, LayerTrace], outputs: Tensor) -> Trace:
    """A trace whose loss is somebody's own, of which only the gradient is known: its value is NaN."""
    unknown = outputs.new_full((1,), torch.nan)
    return Trace(layers, outputs, unknown, {}, unknown[0].clone(), TheirLoss(layers))


class TheirLoss(LossGradients):
    """Everything that came back, as the gradient of one loss."""

    def __init__(self, layers: Mapping[str, LayerTrace]) -> None:
        self.layers = layers

    @property
    def count(self) -> int:
        return 1

    @property
    def steps(self) -> int:
        """0: there is no graph of what stands around the layers, which could be asked again."""
        return 0

    def judged(self) -> int:
        return 0

    def again(self) -> dict[str, Tensor]:
        return {}

    def direct(self, loss: int) -> Tensor:
        raise DataError("The direct gradient of a recorded trace is its layers' output_grads.")

    def reach(self, name: str, losses: Sequence[int] | None = None) -> Tensor:
        """Which steps were read is not known: the chain starts at the first step on its way with a gradient."""
        layer = self.layers[name]
        there = layer.grads["h"].detach().cpu().flatten(1).ne(0).any(1)
        on_the_way = there if layer.reverse else there.flip(0)
        reached = on_the_way.cumsum(0) > 0
        row = (reached if layer.reverse else reached.flip(0))[None]
        return row if losses is None else row[list(losses)]

    def flow(self, loss: int, name: str) -> Tensor:
        return self.layers[name].grads["h"]


def apart(ours: Tensor, theirs: Tensor) -> float:
    """The worst step's error, both (T, …); inf where they are not of one type."""
    return float(step_errors(ours, theirs).max()) if ours.dtype == theirs.dtype else torch.inf


def without_autocast(run: Run, called: str, far: str) -> str:
    low, kind = str(run.low).removeprefix("torch."), run.calls[0].x.device.type
    return (
        f"What {called} answered under torch.autocast is not what its weights and its input, rounded to {low}, make "
        f"({far}), so a trace would show what did not run; run it with torch.autocast('{kind}', enabled=False) around."
    )


def one_step(layer: Recurrence, x: Tensor, initial: Tensors, had: Tensors, casting: Casting) -> dict[str, Tensor]:
    """Every activation and state (T, B, H), each step made from the states that the module `had` before it; a state
    that is not known goes on from its own step before."""
    cell, mask = layer.rules, layer.course.mask
    weights = {name: casting.multiplied(weight) for name, weight in layer.weights.items()}
    state = dict(initial)
    steps: dict[int, dict[str, Tensor]] = {}
    for t in layer.course.order:
        x_side = torch.nn.functional.linear(casting.multiplied(x[t]), weights["weight_ih"], weights.get("bias_ih"))
        h_side = torch.nn.functional.linear(
            casting.multiplied(state["h"]), weights["weight_hh"], weights.get("bias_hh")
        )
        v = cell.gates(bptt.blocks(x_side, cell), bptt.blocks(h_side, cell))
        v = {name: casting.state(value) for name, value in (v | cell.states(v, state)).items()}
        after = {s: had[s][t] if s in had else v[s] for s in state}
        if mask is not None:
            v = {name: value.masked_fill(~mask[t], 0) for name, value in v.items()}
            after = {s: torch.where(mask[t], after[s], before) for s, before in state.items()}
        steps[t], state = v, after
    return {name: torch.stack([steps[t][name] for t in range(len(x))]) for name in steps[0]}


def _stacked(state: Tensor, run: Run) -> Tensor:
    """(layers · directions, B, H)."""
    return state.unsqueeze(1) if run.layout.unbatched else state


def _masks(run: Run, data: Tensor) -> list[Tensor]:
    """What the module multiplied with between its layers, drawn again."""
    if run.dropping is None:
        return []
    kind = data.device.type
    with torch.random.fork_rng([data.device] if kind == "cuda" else [], device_type="mps" if kind == "mps" else "cuda"):
        set_random_state(run.random_state, data.device)
        return run.dropping.masks(data, run.layout)


def _refusal(run: Run, x: Tensor, called: str) -> Callable[[float], DataError]:
    def refusal(error: float) -> DataError:
        far = f"{error:.0e} apart, and {ROUNDING[run.casting.narrowest]:.0e} would be rounding"
        if run.dropping is not None:
            return DataError(
                f"The dropout between the layers of {called} could not be drawn again ({far}), so a trace would show "
                "what did not run; record it with dropout 0, or in eval mode."
            )
        if run.low is not None:
            return DataError(without_autocast(run, called, far))
        tf32 = "; TF32 does that, torch.backends.cudnn.allow_tf32 = False" if x.device.type == "cuda" else ""
        return DataError(
            f"What {called} answered is not what its weights make of its input ({far}{tf32}), so a trace would show "
            "what did not run."
        )

    return refusal


def _replayed(heard: _Heard, refusal: Callable[[float], DataError]) -> tuple[list[Tensor], Values]:
    """What each level read, and its layers' values."""

    def quickly(layer: Recurrence, stream: Tensor, initial: Tensors, h: Tensor | None) -> dict[str, Tensor]:
        return bptt.forward(layer, stream, initial)

    def from_their_states(layer: Recurrence, stream: Tensor, initial: Tensors, h: Tensor | None) -> dict[str, Tensor]:
        had = _kernels(layer, stream, initial, heard.casting) if h is None else h
        made = one_step(layer, stream, initial, {"h": had}, heard.casting)
        return made if h is not None else {**made, "h": had}

    error = torch.inf
    for forward in (from_their_states,) if heard.casting.mixed else (quickly, from_their_states):
        streams, values = _run(heard, forward)
        error = _error(heard, values)
        if error <= ROUNDING[heard.casting.narrowest]:
            # The states of the last level are known to the bit.
            known = _of_directions(heard.answer.output, heard.levels[-1])
            for layer_values, h in zip(values[-1], known, strict=True):
                layer_values["h"] = h
            return streams, values
    raise refusal(error)


def _run(heard: _Heard, forward: Forward) -> tuple[list[Tensor], Values]:
    levels, x, lengths = heard.levels, heard.x, heard.lengths
    course = Course(len(x), False, lengths)
    stream = course.zeroed(x)
    streams: list[Tensor] = []
    values: Values = []
    for depth, level in enumerate(levels):
        streams.append(stream)
        is_last = depth == len(levels) - 1
        known: list[Tensor] | list[None] = [None] * len(level)
        if is_last:
            known = _of_directions(heard.answer.output, level)
        values.append(
            [
                dict(forward(one.recurrence(len(x), lengths), stream, one.initial, h))
                for one, h in zip(level, known, strict=True)
            ]
        )
        stream = torch.cat([v["h"] for v in values[-1]], 2)
        if heard.masks and not is_last:
            stream = course.zeroed(stream * heard.masks[depth])
        stream = heard.casting.rounded(stream)
    return streams, values


def _of_directions(joined: Tensor, level: list[Layer]) -> list[Tensor]:
    return split(joined, [len(one.initial["h"][0]) for one in level])


def _kernels(layer: Recurrence, x: Tensor, initial: Tensors, casting: Casting) -> Tensor:
    """h (T, B, H), from torch's own function for the whole layer, which gave the module's lower layers theirs; with
    autograd on as there, for without it torch takes another kernel, and other roundings."""
    assert layer.kernel is not None
    weights, course = layer.weights, layer.course
    flat = [weights[name] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if name in weights]
    start: Any = initial["h"].unsqueeze(0)
    if layer.kernel == "lstm":
        start = (start, initial["c"].unsqueeze(0))
    kernel = getattr(torch, layer.kernel)
    with torch.enable_grad(), torch.autocast(x.device.type, dtype=casting.low, enabled=casting.mixed):
        h: Tensor = kernel(course.along(x), start, flat, "bias_ih" in weights, 1, 0.0, True, False, False)[0]
    return course.zeroed(course.along(h.detach()))


def _error(heard: _Heard, values: Values) -> float:
    """How far the replay is from the answer at its worst: the last level's states, and every layer's last ones."""
    answer = heard.answer
    errors = [apart(torch.cat([v["h"] for v in values[-1]], 2), answer.output)]
    flat = [pair for level, ran in zip(heard.levels, values, strict=True) for pair in zip(level, ran, strict=True)]
    for place, (layer, v) in enumerate(flat):
        course = layer.recurrence(len(answer.output), heard.lengths).course
        errors += [apart(course.at_last(v[s])[None], last[place][None]) for s, last in answer.last.items()]
    return max(errors)


def _back(
    heard: _Heard, streams: list[Tensor], values: Values, cotangent: Tensor, final: Tensors
) -> dict[str, LayerTrace]:
    """BPTT from the last level to the first. What came to a lower layer's h_n and c_n enters its last states only."""
    layers: dict[str, LayerTrace] = {}
    place = sum(len(level) for level in heard.levels)
    for depth in range(len(heard.levels) - 1, -1, -1):
        level = heard.levels[depth]
        place -= len(level)
        parts = _of_directions(cotangent, level)
        ran = {
            one.name: one.run_back(
                streams[depth], heard.lengths, v, part, {s: grad[place + i].clone() for s, grad in final.items()}
            )
            for i, (one, v, part) in enumerate(zip(level, values[depth], parts, strict=True))
        }
        layers = ran | layers
        if depth:
            cotangent = joined_input_grad(list(ran.values()))
            if heard.masks:
                cotangent = cotangent * heard.masks[depth - 1]
    return layers
