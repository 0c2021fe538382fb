"""Gradient Flow Explorer's engine: exact gradients of recurrent networks, step by step. Knows no window.

The public names are resolved when they are first used (PEP 562), so that `import engine` loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.clipping import clipped as clipped
    from engine.errors import DataError as DataError
    from engine.errors import DeviceWarning as DeviceWarning
    from engine.errors import EngineError as EngineError
    from engine.errors import PresetError as PresetError
    from engine.errors import SessionError as SessionError
    from engine.errors import SpecError as SpecError
    from engine.long import LongRun as LongRun
    from engine.long import LongTrace as LongTrace
    from engine.long import long_run as long_run
    from engine.long import trace_long as trace_long
    from engine.network import Network as Network
    from engine.recorder import Recording as Recording
    from engine.recorder import record as record
    from engine.recording import load_trace as load_trace
    from engine.spec import AddingTask as AddingTask
    from engine.spec import Clamp as Clamp
    from engine.spec import ClipSpec as ClipSpec
    from engine.spec import CopyTask as CopyTask
    from engine.spec import Cut as Cut
    from engine.spec import EmbeddingSpec as EmbeddingSpec
    from engine.spec import Experiment as Experiment
    from engine.spec import GateBias as GateBias
    from engine.spec import InitSpec as InitSpec
    from engine.spec import LayerSpec as LayerSpec
    from engine.spec import ModelSpec as ModelSpec
    from engine.spec import ReadoutSpec as ReadoutSpec
    from engine.spec import RecurrentDropoutSpec as RecurrentDropoutSpec
    from engine.spec import SunspotsTask as SunspotsTask
    from engine.spec import TrainingSpec as TrainingSpec
    from engine.spec import TruncationSpec as TruncationSpec
    from engine.spec import WhatIf as WhatIf
    from engine.spectra import LyapunovRun as LyapunovRun
    from engine.spectra import SpectrumRun as SpectrumRun
    from engine.step_clipping import clipped_backward as clipped_backward
    from engine.step_clipping import clipped_contributions as clipped_contributions
    from engine.step_clipping import clipped_trace as clipped_trace
    from engine.tracing import LayerTrace as LayerTrace
    from engine.tracing import Trace as Trace
    from engine.tracing import trace as trace
    from engine.training_loop import fit as fit
    from engine.training_loop import state_at as state_at
    from engine.weights import fitted as fitted
    from engine.weights import module_of as module_of
    from engine.weights import read_weights as read_weights
    from engine.weights import state_of as state_of
    from engine.weights import write_weights as write_weights

_HOME = {
    "clipped": "engine.clipping",
    "DataError": "engine.errors",
    "DeviceWarning": "engine.errors",
    "EngineError": "engine.errors",
    "PresetError": "engine.errors",
    "SessionError": "engine.errors",
    "SpecError": "engine.errors",
    "LongRun": "engine.long",
    "LongTrace": "engine.long",
    "long_run": "engine.long",
    "trace_long": "engine.long",
    "Network": "engine.network",
    "Recording": "engine.recorder",
    "load_trace": "engine.recording",
    "record": "engine.recorder",
    "AddingTask": "engine.spec",
    "Clamp": "engine.spec",
    "ClipSpec": "engine.spec",
    "CopyTask": "engine.spec",
    "Cut": "engine.spec",
    "EmbeddingSpec": "engine.spec",
    "Experiment": "engine.spec",
    "GateBias": "engine.spec",
    "InitSpec": "engine.spec",
    "LayerSpec": "engine.spec",
    "ModelSpec": "engine.spec",
    "ReadoutSpec": "engine.spec",
    "RecurrentDropoutSpec": "engine.spec",
    "SunspotsTask": "engine.spec",
    "TrainingSpec": "engine.spec",
    "TruncationSpec": "engine.spec",
    "WhatIf": "engine.spec",
    "LyapunovRun": "engine.spectra",
    "SpectrumRun": "engine.spectra",
    "clipped_backward": "engine.step_clipping",
    "clipped_contributions": "engine.step_clipping",
    "clipped_trace": "engine.step_clipping",
    "LayerTrace": "engine.tracing",
    "Trace": "engine.tracing",
    "trace": "engine.tracing",
    "fit": "engine.training_loop",
    "state_at": "engine.training_loop",
    "fitted": "engine.weights",
    "module_of": "engine.weights",
    "read_weights": "engine.weights",
    "state_of": "engine.weights",
    "write_weights": "engine.weights",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'engine' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
