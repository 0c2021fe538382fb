"""One listener beside one module of somebody's model, for as long as a recording goes on."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.hooks import RemovableHandle

from engine.autocast import type_under_autocast
from engine.intake import Dropping
from engine.layout import Layout
from engine.listening import (
    Call,
    Copies,
    Place,
    Run,
    copy_of,
    given_to,
    in_order,
    is_wrapped,
    leads_back,
    listen,
    place_in_graph,
    random_state,
)

Ends = tuple[tuple[int, ...], ...]
"""Where all states that a cell has answered stand in the graph."""


class Hook:
    """What is hung beside a module. What is made of it with the module, a copy (copy.deepcopy, AveragedModel) or a file
    (torch.save), hears nothing: there it is a function of the standard library's that does nothing."""

    only_listens = True
    """What the module answers is its own: engine.intake."""

    def __init__(self, module: nn.Module, listen_to: Callable[..., None]) -> None:
        self._module = weakref.ref(module)
        # The compiler calls such a hook and does not compile it. It is not loaded for that: a second or two.
        if "torch._dynamo" in sys.modules:
            listen_to = torch.compiler.disable(listen_to)  # type: ignore[no-untyped-call]
        self._listen_to = listen_to

    def __call__(self, module: nn.Module, *given: Any) -> None:
        if module is self._module():
            self._listen_to(module, *given)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (nullcontext(), "__exit__")


class Listener:
    """Keeps what a trace is made of. A call that no gradient ever reaches is kept by its graph alone, and goes with
    it."""

    def __init__(self, name: str, module: nn.Module, last: int | None = None) -> None:
        self.name = name
        self._last = last
        """So many runs that a gradient has reached are kept; None: all."""
        self.calls = 0
        self.without_gradient = 0
        """Calls whose answer requires no gradient."""
        self.reached: list[Run] = []
        self._module: nn.Module | None = module
        self._is_cell = isinstance(module, nn.RNNCellBase)
        self._copies: Copies | None = None
        self._random_state: tuple[Tensor, ...] = ()
        self._runs: weakref.WeakSet[Run] = weakref.WeakSet()
        self._ends: dict[Ends, weakref.ref[Run]] = {}
        """The runs of a cell that may go on, by the place of their last states in the graph."""
        self._made: dict[tuple[int, int], weakref.ref[Run]] = {}
        """All states that a cell has answered, by their node and its output."""
        self._handles: list[RemovableHandle] = [
            # Behind what somebody has put before the forward, and before what they have put behind it.
            module.register_forward_pre_hook(Hook(module, self._before), with_kwargs=True),
            module.register_forward_hook(Hook(module, self._after), with_kwargs=True, prepend=True),
        ]

    def stop(self) -> None:
        """Takes every hook away again, and lets go of the module."""
        for handle in self._handles:
            handle.remove()
        for run in list(self._runs):
            run.stop()
        self._handles.clear()
        self._ends.clear()
        self._made.clear()
        self._module = self._copies = None

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if Dropping.of(module) is not None and torch.is_grad_enabled():
            x, _ = given_to(args, kwargs)
            self._random_state = random_state(x.data.device if isinstance(x, PackedSequence) else x.device)

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], answer: Any) -> None:
        x, hx = given_to(args, kwargs)
        outputs = _outputs(answer, self._is_cell)
        self.calls += 1
        if not any(tensor.requires_grad for tensor in outputs.values()):
            self.without_gradient += 1
            return
        with torch.no_grad():
            run, call = self._keep(module, x, _states(hx), outputs)
        for name, tensor in outputs.items():
            handle = listen(tensor, self._arrival(run, call, name))
            if handle is not None:
                call.handles.append(handle)
        if self._is_cell:
            self._may_go_on(run, outputs)

    def _keep(
        self, module: nn.Module, x: Any, states: dict[str, Tensor], outputs: Mapping[str, Tensor]
    ) -> tuple[Run, Call]:
        data = x.data if isinstance(x, PackedSequence) else x
        refusal = _refusal(outputs)
        low = type_under_autocast(data)
        copies = {name: copy_of(tensor) for name, tensor in outputs.items()} if not refusal else {}
        call = Call(copy_of(data) if not refusal else data.new_empty(0), copies)
        run = self._going_on(module, data, states, low) if self._is_cell and not refusal else None
        if run is None:
            if not refusal:
                self._copies = Copies.of(module, self._copies, thoroughly=True)
            initial = {name: copy_of(state) for name, state in states.items()} if states and not refusal else None
            layout = Layout(unbatched=data.dim() == 1) if self._is_cell else Layout.of(module, x)
            place, dropping = Place.of(next(iter(outputs.values()))), Dropping.of(module)
            run = Run(self.calls, place, self._copies, initial, layout, dropping, self._random_state, low)
            run.refusal = refusal
            run.torn = self._is_cell and any(leads_back(state, self._made) for state in states.values())
            self._runs.add(run)
        run.calls.append(call)
        return run, call

    def _going_on(
        self, module: nn.Module, x: Tensor, states: Mapping[str, Tensor], low: torch.dtype | None
    ) -> Run | None:
        """The run whose last states these are, if the cell's weights are still the same, and its arithmetic."""
        place = _place(states)
        end = self._ends.pop(place, None) if place is not None else None
        run = end() if end is not None else None
        if run is None or run.refusal or run.copies is None or x.dtype != run.calls[-1].x.dtype:
            return None
        if run.low != low:
            return None
        copies = Copies.of(module, run.copies, thoroughly=False)
        return run if copies.layers is run.copies.layers else None

    def _may_go_on(self, run: Run, outputs: Mapping[str, Tensor]) -> None:
        place = _place(outputs)
        if place is not None:
            ends, made = self._ends, self._made
            ends[place] = weakref.ref(run, lambda _: ends.pop(place, None))
            for node, number, *_ in place:
                key = node, number
                made[key] = weakref.ref(run, lambda _, key=key: made.pop(key, None))  # type: ignore[misc]

    def _reach(self, run: Run) -> None:
        self.reached.append(run)
        if self._last is not None and len(self.reached) > self._last:
            earliest = in_order(self.reached)[0]
            self.reached.remove(earliest)
            earliest.stop()

    def _arrival(self, run: Run, call: Call, name: str) -> Callable[[Tensor, int], None]:
        def arrival(grad: Tensor, backward_pass: int) -> None:
            if not run.arrivals:
                self._reach(run)
            run.arrivals += 1
            if run.refusal:
                return
            if is_wrapped(grad):
                run.refusal = "was differentiated for many losses at once (is_grads_batched=True), which are none"
            elif torch.is_grad_enabled():
                run.refusal = "was differentiated with create_graph=True, and second derivatives are not recorded"
            else:
                # A node is visited once in a pass, so this is all that comes in it.
                call.arrived[backward_pass][name] = grad

        return arrival


def _outputs(answer: Any, is_cell: bool) -> dict[str, Tensor]:
    if is_cell:
        return _states(answer)
    output, last = answer
    return {"output": output.data if isinstance(output, PackedSequence) else output, **_states(last)}


def _states(given: Any) -> dict[str, Tensor]:
    if given is None:
        return {}
    return {"h": given} if isinstance(given, Tensor) else dict(zip(("h", "c"), given, strict=True))


def _place(states: Mapping[str, Tensor]) -> Ends | None:
    places = [place_in_graph(state) for state in states.values()]
    return tuple(place for place in places if place is not None) if places and None not in places else None


def _refusal(outputs: Mapping[str, Tensor]) -> str:
    """Why this call cannot be recorded, as what follows the module's name."""
    if is_wrapped(next(iter(outputs.values()))):
        return "ran inside a transform of torch.func, where no backward pass can be followed; loss.backward() can"
    return ""
