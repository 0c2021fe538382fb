"""The error of a trace against autograd, quantity by quantity, computed afresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.requests import Audit

if TYPE_CHECKING:
    from engine.layer_trace import LayerTrace
    from engine.tracing import Trace


def audit_layer(layer: LayerTrace) -> Audit:
    raise NotImplementedError


def audit_trace(trace: Trace) -> Audit:
    return audit_layer(trace.layer)
