"""An edit in the words of the undo menu: "change of units"."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from engine.spec import Experiment, WhatIf

_WORDS = {
    "task.kind": "task",
    "task.data": "data",
    "task.steps": "T",
    "task.shortest": "shortest sequence",
    "task.ahead": "steps ahead",
    "task.by": "reading of the digits",
    "task.split": "split",
    "task.symbols": "number of symbols",
    "task.order": "order of the windows",
    "task.target": "target column",
    "training.optimizer.kind": "optimizer",
    "training.optimizer.nesterov": "Nesterov's momentum",
    "training.optimizer.alpha": "α of RMSprop",
    "training.optimizer.beta1": "β₁",
    "training.optimizer.beta2": "β₂",
    "training.optimizer.epsilon": "ε of the optimizer",
    "training.schedule.warmup": "warm-up",
    "training.schedule": "schedule",
    "training.l1": "L1",
    "training.l2": "L2",
    "training.carry": "carried states",
    "training.sampling": "scheduled sampling",
    "training.evaluate_every": "evaluation",
    "training.early_stop": "early stopping",
    "training.clip.kind": "clipping",
    "training.clip.max_norm": "clip threshold",
    "training.clip.max_value": "clip threshold",
    "training.clip.ratio": "clip threshold",
    "training.clip.readout": "clipping of the read-out",
    "training.truncation": "truncation",
    "model.readout.at": "read-out",
    "model.readout.attention_size": "size of the attention",
    "model.embedding": "embedding",
    "dtype": "number type",
    "cell": "cell",
    "hidden_size": "units",
    "bidirectional": "directions",
    "init.input": "initial weights",
    "init.recurrent": "initial weights",
    "init.std": "initial weights",
    "init.gain": "initial weights",
    "init.bias": "initial biases",
    "init.chrono": "chrono initialisation",
    "layer_norm": "layer normalisation",
    "batch_norm": "batch normalisation",
    "norm_eps": "ε of the normalisation",
    "recurrent_dropout": "recurrent dropout",
    "dropout_mask": "dropout mask",
    "residual": "residual connection",
}
LEADING = ("task.kind", "task.data", "training.optimizer.kind")
"""A task brings its own fields along, an optimizer its rate: what is named first."""
_LAYER = re.compile(r"model\.layers\.\d+\.")


def difference(old: Experiment, new: Experiment) -> str:
    """The name of the first field that differs ("units")."""
    changed = list(changed_fields(old, new))
    if not changed:
        return "the experiment"
    return field_words(next((name for name in LEADING if name in changed), changed[0]))


def changed_fields(old: Experiment, new: Experiment) -> dict[str, tuple[Any, Any]]:
    """What stood in each field that differs, and what stands there now, by its name ("training.learning_rate"); None
    where there was, or is, no such field."""
    a, b = _flat(msgspec.to_builtins(old)), _flat(msgspec.to_builtins(new))
    return {name.lstrip("."): (a.get(name), b.get(name)) for name in {**a, **b} if a.get(name) != b.get(name)}


def field_words(field: str) -> str:
    """What a field of an experiment is called: "model.layers.0.hidden_size" → "units"."""
    bare = _LAYER.sub("", field)
    known = [words for name, words in _WORDS.items() if bare == name or bare.startswith(f"{name}.")]
    return known[0] if known else bare.rpartition(".")[2].replace("_", " ")


OF_WHAT_IF = {
    "recurrent_scale": "scale of the recurrent weights",
    "spectral_radius": "spectral radius",
    "forget_bias": "shift of the forget-gate bias",
    "gate_biases": "shift of a gate's bias",
    "dtype": "arithmetic",
    "clip_norm": "clip threshold",
}


def what_if_words(old: WhatIf, new: WhatIf) -> str:
    """ "holding a gate", "change of the spectral radius". Where the scale gives way to the radius, that is meant."""
    for name, one in (("clamps", "a held gate"), ("cuts", "a cut route")):
        before, after = len(getattr(old, name)), len(getattr(new, name))
        if before != after:
            return f"{'adding' if after > before else 'removing'} {one}"
        if getattr(old, name) != getattr(new, name):
            return f"change of {one}"
    changed = [name for name in OF_WHAT_IF if getattr(old, name) != getattr(new, name)]
    if len(changed) == 1 or set(changed) == {"recurrent_scale", "spectral_radius"}:
        return f"change of the {OF_WHAT_IF[changed[-1]]}"
    return "what-if"


def _flat(data: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(data, (list, tuple)):
        data = dict(enumerate(data))
    if not isinstance(data, dict):
        return {prefix: data}
    return {name: leaf for key, part in data.items() for name, leaf in _flat(part, f"{prefix}.{key}").items()}
