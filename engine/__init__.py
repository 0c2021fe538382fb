"""Gradient Flow Explorer's engine: exact gradients of recurrent networks, step by step. Knows no window.

The public names are resolved when they are first used (PEP 562), so that `import engine` loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.errors import DataError as DataError
    from engine.errors import EngineError as EngineError
    from engine.errors import PresetError as PresetError
    from engine.errors import SessionError as SessionError
    from engine.errors import SpecError as SpecError
    from engine.long import LongRun as LongRun
    from engine.long import LongTrace as LongTrace
    from engine.long import long_run as long_run
    from engine.long import trace_long as trace_long
    from engine.network import Network as Network
    from engine.spec import Experiment as Experiment
    from engine.spec import WhatIf as WhatIf
    from engine.tracing import LayerTrace as LayerTrace
    from engine.tracing import Trace as Trace
    from engine.tracing import trace as trace

_HOME = {
    "DataError": "engine.errors",
    "EngineError": "engine.errors",
    "PresetError": "engine.errors",
    "SessionError": "engine.errors",
    "SpecError": "engine.errors",
    "LongRun": "engine.long",
    "LongTrace": "engine.long",
    "long_run": "engine.long",
    "trace_long": "engine.long",
    "Network": "engine.network",
    "Experiment": "engine.spec",
    "WhatIf": "engine.spec",
    "LayerTrace": "engine.tracing",
    "Trace": "engine.tracing",
    "trace": "engine.tracing",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'engine' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
