"""A trace as truncated BPTT leaves it: the values are what they were, and every gradient is the truncated one.

That is what an experiment with a truncation (TrainingSpec) shows and trains. The gradients of the loss are in the trace
that it is made from, and that is the one which can be compared with autograd.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from engine.layer_trace import LayerTrace
from engine.spec import Experiment, TruncationSpec
from engine.tracing import Trace
from engine.truncation import Truncated, truncated


def as_asked(trace: Trace, experiment: Experiment) -> Trace:
    """The trace itself, or as the experiment's truncation leaves it. Raises DataError."""
    asked = experiment.training.truncation
    return trace if asked is None else truncated_trace(trace, asked)


def truncated_trace(trace: Trace, asked: TruncationSpec) -> Trace:
    """Its layers' `weight_grads` are those of `Trace.truncated`, to the bit. `loss_grads` stay those of the single
    losses, which nothing cuts. Raises DataError."""
    cut = truncated(trace, asked.k1, asked.k2, parts=True)
    layers = {name: _cut(layer, name, cut) for name, layer in trace.layers.items()}
    return replace(trace, layers=layers, head_grads=cut.head_grads, past_grad=cut.past_grad)


def _cut(layer: LayerTrace, name: str, cut: Truncated) -> LayerTrace:
    part = cut.parts[name]
    made = replace(layer, output_grads=part.output_grads, grads=part.grads, initial_grads=part.initial_grads)
    made.__dict__["passing"] = MappingProxyType(part.passing)
    made.__dict__["weight_grads"] = MappingProxyType(dict(cut.layer_grads[name]))
    return made.starting_from(layer.before)
