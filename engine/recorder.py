"""`engine.record`: a trace of every recurrent layer inside somebody's model, from their own forward and backward.

    with engine.record(model) as rec:
        loss = criterion(model(x), y)
        loss.backward()
    trace = rec["encoder.rnn"]

Not one bit of their gradients changes: nothing of theirs is replaced or wrapped, only listened to (engine.listening).
What a trace needs besides is computed when it is asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from torch import nn

from engine.cell_loop import trace_of_loop
from engine.errors import DataError
from engine.given import whole
from engine.intake import TORCHS, refuse_other_equations
from engine.listener import Listener
from engine.listening import Run, in_order
from engine.replay import trace_of_call
from engine.spec_reading import kind_of, shown
from engine.tracing import Trace

_NEAR = 3
"""So many names a sentence proposes."""


def record(model: nn.Module, only: Sequence[str] | None = None, last: int | None = None) -> Recording:
    """A context manager that records every nn.RNN, nn.LSTM, nn.GRU, nn.RNNCell, nn.LSTMCell and nn.GRUCell inside
    `model`, or the model itself, while the block runs its forward and backward passes.

    Afterwards `rec[name]` is the `engine.Trace` of the layer with that qualified name (as in `named_modules()`, ""
    for the model itself, without the "_orig_mod" of torch.compile); see `Recording`. `only`: just these names. `last`:
    of each layer just so many calls, the latest that a gradient has reached.

    Memory: of every call that a gradient has reached, copies of its input, its output and the gradients there are kept
    until the recording itself goes, T · B · (D + 2 · W) numbers of a layer and call. A block around a whole training
    therefore grows with every iteration; give it `last`, or put the block around the iterations that matter.

    What a trace of a recording holds, and what it does not:

    - Gradients are those of everything that came back through the call: several backward passes add up as in .grad, a
      scaled loss gives scaled gradients. `weight_grads` is this call's part; the parts of all calls of a layer add up
      to the .grad that they left. It is there for frozen weights, too, and of a parametrised weight it is that of
      the weight itself.
    - The loss is not known: `loss` and `losses` are NaN, one loss, whose gradient everything is. `outputs` is what
      the layer answered, (T, B, W), 0 in the padding.
    - A gradient at a layer's h_n or c_n is in `final_grads` of its own level and direction. Weights are as they were at
      the call, whatever an optimizer did later.
    - Consecutive calls of a cell, each from the very states that the one before gave, are one trace with a step for
      each, and what reaches an LSTM's c_t besides (a loss on it) is in `cell_grads`. Where the states were changed on
      their way (masked, mixed, dropped) a new one begins, and what it hands back is in the `final_grads` of the one
      before, like everything that reaches a last state: the loop has no trace as a whole, `rec[name]` says so, and
      `calls` gives the parts. It begins anew, too, where they were detached; there `rec[name]` is the last stretch. See
      engine.cell_loop for how exact e_t is.
    - Where a part of the sequence is checkpointed (torch.utils.checkpoint, reentrant), a new one begins with it, for
      there the states are detached. `calls` gives them in the order of the sequence, but for checkpoints inside
      reentrant checkpoints, whose parts may come in another one.
    - Under torch.autocast a trace is in the type that the module's states were in, its weights and input rounded as
      autocast rounded them: bfloat16 or float16, but float32 where autocast keeps the states in it (nn.GRU, nn.GRUCell
      and nn.LSTMCell on the CPU). There the values are those that autocast came to, its roundings in them, and the
      gradients are float32's at these values. See engine.autocast.

    Refused, each with a sentence, when the block begins: proj_size, a forward of one's own, layers that TorchScript or
    several devices run. When a trace is asked for: calls inside torch.func or differentiated twice, and whatever does
    not come to the module's own answer when it is run again (dropout that cuDNN drew). Raises DataError.
    """
    return Recording(model, only, last)


class Recording:
    """What `engine.record` gives. It can be asked inside the block too, for what has come so far."""

    def __init__(self, model: nn.Module, only: Sequence[str] | None = None, last: int | None = None) -> None:
        self._last = None if last is None else whole("last", last)
        if self._last is not None and self._last < 1:
            raise DataError(f"last is {self._last}; a whole number from 1 is accepted, or None for all calls.")
        self._modules: dict[str, nn.Module] | None = _recurrent(model, only)
        self._listeners: dict[str, Listener] = {}
        self._made: WeakKeyDictionary[Run, tuple[int, Trace]] = WeakKeyDictionary()
        self._open = False

    def __enter__(self) -> Recording:
        if self._modules is None:
            raise DataError("This recording is over; engine.record(model) begins a new one.")
        heard: dict[nn.Module, Listener] = {}
        for name, module in self._modules.items():
            if module not in heard:
                heard[module] = Listener(name, module, self._last)
            self._listeners[name] = heard[module]
        self._modules, self._open = None, True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._open = False
        for listener in self._listeners.values():
            listener.stop()

    def __reduce__(self) -> NoReturn:
        """Raises DataError: it listens to a model."""
        raise DataError(
            "A recording cannot be pickled or copied, for it listens to its model; its traces can, rec[name] and each "
            "of rec.calls(name)."
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the layers that are listened to, in the model's order."""
        return tuple(self._modules if self._modules is not None else self._listeners)

    def __getitem__(self, name: str) -> Trace:
        """The trace of the layer's only call, or of the last one that a gradient has reached. Raises DataError; of a
        cell, too, where that one goes on from states that were changed after the call before."""
        runs = self._listener(name).reached
        last = in_order(runs)[-1]
        if last.torn:
            raise DataError(
                f"Between calls of {_called(name)} its states were changed on their way, so the loop is {len(runs)} "
                f"sequences and not one; calls({shown(name)}) gives a trace of each."
            )
        return self._trace(last, name)

    def calls(self, name: str) -> list[Trace]:
        """A trace for each call of the layer that a gradient has reached, in the order of the calls; of what
        checkpointing calls again on the way back, in the order in which it was called first. Raises DataError."""
        return [self._trace(run, name) for run in in_order(self._listener(name).reached)]

    @property
    def trace(self) -> Trace:
        """That of the only layer there is. Raises DataError."""
        if len(set(self._listeners.values())) != 1:
            raise DataError(f"There are {len(self.names)} layers; ask for one by its name: {_listed(self.names)}.")
        return self[self.names[0]]

    def _trace(self, run: Run, name: str) -> Trace:
        made = self._made.get(run)
        if made is not None and made[0] == run.arrivals:
            return made[1]
        called = _called(name)
        if run.refusal:
            raise DataError(f"{_capital(called)} {run.refusal}.")
        is_layer = "output" in run.calls[0].outputs
        trace = trace_of_call(run, called) if is_layer else trace_of_loop(run, called)
        self._made[run] = run.arrivals, trace
        if not self._open:
            run.calls.clear()  # nothing comes any more, and the trace holds what it needs
        return trace

    def _listener(self, name: str) -> Listener:
        if self._modules is not None:
            raise DataError("Nothing is recorded yet; a recording begins with `with engine.record(model) as rec:`.")
        if name not in self._listeners:
            near = difflib.get_close_matches(str(name), self._listeners, _NEAR, 0.5) or list(self._listeners)
            raise DataError(f"{shown(name)} is no recorded layer; there is {_listed(near)}.")
        listener = self._listeners[name]
        if not listener.reached:
            raise DataError(f"No gradient has reached {_called(name)}: {self._why(listener)}.")
        return listener

    def _why(self, listener: Listener) -> str:
        if not listener.calls:
            return (
                "it was not called inside the block (of a model that torch.compile has already compiled, record the "
                "one it was made from)"
            )
        if listener.without_gradient == listener.calls:
            return (
                "what it answered requires no gradient (torch.no_grad(), inference mode, or neither its weights nor "
                "its input do)"
            )
        return "loss.backward() belongs inside the block, and the loss must depend on what the layer answered"


def _recurrent(model: Any, only: Sequence[str] | None) -> dict[str, nn.Module]:
    """The layers to listen to, by name. Raises DataError."""
    if not isinstance(model, nn.Module):
        raise DataError(f"model is {kind_of(model)}; a torch.nn.Module is accepted.")
    modules = {_without_compile(name): module for name, module in model.named_modules(remove_duplicate=False)}
    kinds = tuple(TORCHS.values())
    found: dict[str, nn.Module] = {name: module for name, module in modules.items() if isinstance(module, kinds)}
    scripted = [name for name, module in modules.items() if getattr(module, "original_name", "") in TORCHS]
    chosen = _chosen(only, [*found, *scripted])
    for name in scripted:
        if name in chosen:
            raise DataError(
                f"{_capital(_called(name))} is run by TorchScript, which a recording cannot listen to; the module that "
                "was scripted is accepted."
            )
    if not found:
        raise DataError(
            f"There is no recurrent layer in this {type(model).__name__}; nn.RNN, nn.LSTM, nn.GRU and their cells are "
            "recorded."
        )
    for name, module in modules.items():
        if isinstance(module, nn.DataParallel) and len(module.device_ids) > 1:
            raise DataError(
                f"{_capital(_called(name))} is run by nn.DataParallel on {len(module.device_ids)} devices, each with "
                "copies of its own; record the module inside it."
            )
    for name in chosen:
        _refuse_other_equations(name, found[name], [other for other in chosen if found[other] is not found[name]])
    return {name: found[name] for name in chosen}


def _refuse_other_equations(name: str, module: nn.Module, others: list[str]) -> None:
    try:
        refuse_other_equations(module, _called(name))
    except DataError as error:
        way_out = f" Leave it out with only={others}." if 0 < len(others) <= _NEAR else ""
        raise DataError(f"{_capital(str(error))}{way_out}") from None


def _chosen(only: Any, there: list[str]) -> list[str]:
    if only is None:
        return there
    if isinstance(only, str) or not isinstance(only, Sequence):
        raise DataError(f"only is {shown(only)}; a list of names is accepted, of {_listed(there)}.")
    for name in only:
        if name not in there:
            near = difflib.get_close_matches(str(name), there, _NEAR, 0.5) or there
            raise DataError(f"only has {shown(name)}, which is no recurrent layer; there is {_listed(near)}.")
    if not only:
        raise DataError(f"only is empty; names are accepted, of {_listed(there)}.")
    return list(only)


def _without_compile(name: str) -> str:
    return ".".join(part for part in name.split(".") if part != "_orig_mod")


def _called(name: str) -> str:
    return f"'{name}'" if name else "the model"


def _capital(sentence: str) -> str:
    return "The" + sentence[3:] if sentence.startswith("the ") else sentence


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
