"""Whether there is a way back through a piece's graph, whatever the numbers are: where a derivative is 0 at these
numbers (of a ReLU that is off, of the smaller one of two) there is one, and where nothing was read there is none.

A NaN is sent back and comes out wherever there is a way: every product and sum takes it along. What does not take it
along are choices: masks, and indices, of the elements that the numbers chose. While only ways are asked for, a choice
that hangs on what the piece read takes NaN back to everything that it chose among; one that does not (a causal mask,
the index of a step) stays what it is. Which ones do is looked at while the piece runs (`Watch`). What ran inside a
compiled function is not seen: its masks count as hanging on the numbers, and its indices as fixed. So does a step
that the piece took for its index from a number (y[int(n)]): the graph is the one that ran.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
_LIKE = frozenset(
    f"{made}{how}"
    for made, how in [(m, "_like") for m in ("zeros", "ones", "empty", "full", "rand", "randn", "randint")]
) | frozenset(f"new_{made}" for made in ("zeros", "ones", "empty", "full", "tensor", "empty_strided"))
"""What takes shape and type of a tensor, and none of its numbers."""
_AS = frozenset(("expand_as", "view_as", "reshape_as", "type_as", "to"))
"""What takes no numbers but the first tensor's."""


class Saved:
    """What autograd saves for the way back: copies, so that the graph answers the same after somebody's next training
    step, which may write to a view of the read-out's weights, say. Of what is saved twice there is one copy."""

    def __init__(self, copies: bool = True) -> None:
        self._copies = copies
        """False: of our own operations, on what nobody else holds."""
        self._known: dict[Hashable, tuple[StorageWeakRef, Tensor]] = {}
        self.harmless = False
        """While only ways are asked for, no numbers: NaN and inf, which make NaN of 0, are given out as 1."""
        self.fixed: set[int] = set()
        """Masks and indices (`_place`) that hang on no number that the piece read."""
        self.chosen: set[int] = set()
        """Those that do. Of others it is not known."""
        self.running: set[int] = set()
        """Of them the indices of running largest and smallest ones (cummax), which hang on what is before them."""
        self._choices: list[tuple[Tensor, int]] = []

    def take(self, tensor: Tensor) -> Tensor:
        with torch._C.DisableTorchFunction():  # it is not the piece that does this
            copy = self._copy(tensor) if self._copies else tensor.detach()
            if not tensor.is_floating_point():
                self._choices.append((tensor, _place(copy)))
        return copy

    def _copy(self, tensor: Tensor) -> Tensor:
        try:
            place = (tensor.data_ptr(), tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype)
            key, storage = (*place, tensor._version), StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
        except (RuntimeError, NotImplementedError):  # sparse, or of inference mode: nothing tells two of them apart
            return tensor.detach().clone()
        if key not in self._known or self._known[key][0].expired():  # type: ignore[no-untyped-call]
            self._known[key] = storage, tensor.detach().clone()
        return self._known[key][1]

    def give(self, tensor: Tensor) -> Tensor:
        if self.harmless and tensor.is_floating_point():
            return tensor.nan_to_num(1.0, 1.0, 1.0)
        return tensor

    def told(self, watch: Watch) -> None:
        """What has been seen of the choices, when the piece has run."""
        for tensor, place in self._choices:
            here = _place(tensor)
            if here in watch.seen:
                (self.chosen if watch.seen[here][0] else self.fixed).add(place)
            if here in watch.running:
                self.running.add(place)
        self._choices.clear()
        self._known.clear()


class Watch(TorchFunctionMode):
    """Looks on while a piece runs: which tensors that require no gradient were made of numbers that it read?"""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[int, tuple[bool, Tensor]] = {}
        """By place: whether it hangs on them. They are kept so that nobody else gets their place."""
        self.running: set[int] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if torch.compiler.is_compiling():  # here the compiler reads along, and a graph of it has nothing to look at
            return made
        name = getattr(func, "__name__", "")
        given = [] if name in _LIKE else list(_tensors((args, kwargs)))
        hangs = any(self._hangs(tensor) for tensor in (given[:1] if name in _AS else given))
        for tensor in given:
            if not tensor.is_floating_point():
                self.seen.setdefault(_place(tensor), (False, tensor))
        written = given[:1] if name == "__setitem__" else []
        for tensor in (*_tensors(made), *written):
            if not tensor.requires_grad and (hangs or not tensor.is_floating_point()):
                self.seen[_place(tensor)] = hangs, tensor
                if name in ("cummax", "cummin"):
                    self.running.add(_place(tensor))
        return made

    def _hangs(self, tensor: Tensor) -> bool:
        return tensor.requires_grad or self.seen.get(_place(tensor), (False,))[0]


class Ways(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Around a backward pass whose cotangents are 0 and NaN."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch would load its compiler for that, two seconds of it, and nothing is compiled in here."""
        return False

    def __init__(self, saved: Saved) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.saved = saved

    def __enter__(self) -> Any:
        self.saved.harmless = True
        return super().__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self.saved.harmless = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        rule = _RULES.get(func.overloadpacket)
        if rule is not None:
            return rule(self.saved, func, args, kwargs)
        made = func(*args, **kwargs)
        if func.overloadpacket.__name__.endswith("_backward") and _alike(made, args[0]):
            return _taking(made, args[0].isnan())
        return made


def _place(tensor: Tensor) -> int:
    """What views of the same memory have in common."""
    try:
        place: int = tensor.untyped_storage()._cdata
        return place
    except (NotImplementedError, RuntimeError):  # it has no memory of its own
        return id(tensor)


def _tensors(found: Any) -> Iterator[Tensor]:
    if isinstance(found, Tensor):
        yield found
    elif isinstance(found, (tuple, list)):
        for one in found:
            yield from _tensors(one)
    elif isinstance(found, dict):
        yield from _tensors(tuple(found.values()))


def _alike(made: Any, grad: Any) -> bool:
    return isinstance(made, Tensor) and isinstance(grad, Tensor) and made.shape == grad.shape and _real(made, grad)


def _real(*tensors: Any) -> bool:
    return all(isinstance(tensor, Tensor) and tensor.is_floating_point() for tensor in tensors)


def _taking(made: Tensor, bad: Tensor) -> Tensor:
    return made.masked_fill_(bad, torch.nan)


Rule: TypeAlias = Callable[[Saved, Any, Any, Any], Any]


def _where(saved: Saved, func: Any, args: Any, kwargs: Any) -> Any:
    made = func(*args, **kwargs)
    if not _real(made) or _place(args[0]) in saved.fixed:
        return made
    for branch in args[1:3]:
        if _real(branch):
            made = _taking(made, branch.isnan())
    return made


def _masked_fill(saved: Saved, func: Any, args: Any, kwargs: Any) -> Any:
    grad, mask, value = args[:3]
    if not _real(grad) or _place(mask) in saved.fixed:
        return func(*args, **kwargs)
    bad = grad.isnan()
    if _real(value):  # what is put where the mask is goes back to all that the mask chose among
        bad = bad | value.isnan()
    return _taking(func(*args, **kwargs), bad)


def _divided(saved: Saved, func: Any, args: Any, kwargs: Any) -> Any:
    """0/0 is nobody's NaN."""
    if len(args) > 1 and _real(args[1]):
        args = (args[0], args[1].masked_fill(args[1] == 0, 1.0), *args[2:])
    return _bounded(saved, func, args, kwargs)


def _bounded(saved: Saved, func: Any, args: Any, kwargs: Any) -> Any:
    """Nor is 0·∞."""
    made = func(*args, **kwargs)
    return made.masked_fill_(made.isinf(), 1.0) if _real(made) else made


def _zeros(saved: Saved, func: Any, args: Any, kwargs: Any) -> Any:
    """The derivative of a step function."""
    made = func(*args, **kwargs)
    return _taking(made, args[0].isnan()) if _alike(made, args[0]) else made


def _scattered(saved: Saved, func: Any, args: Any, kwargs: Any) -> Any:
    """Back from the largest, the median, or sorted ones: to all of the dimension. Back from what was written over at
    places that the numbers chose: as if it had not been."""
    into, dim, index, grad = args[:4]
    selects = func.overloadpacket in (_aten.scatter, _aten.scatter_) and _real(grad)
    if not _real(into) or not (selects or _place(index) in saved.chosen):
        return func(*args, **kwargs)
    bad = into.isnan()
    made = _taking(func(*args, **kwargs), bad)
    if _place(index) in saved.running:
        return _taking(made, grad.isnan().flip(dim).cumsum(dim).flip(dim) > 0)
    return _spread(made, grad, (dim,)) if _real(grad) else made


def _put(saved: Saved, func: Any, args: Any, kwargs: Any) -> Any:
    """Back from elements at an index, or from what was written over there."""
    into, indices, grad = args[:3]
    if not _real(into, grad) or not any(_place(index) in saved.chosen for index in indices if index is not None):
        return func(*args, **kwargs)
    bad = into.isnan() | grad.isnan().any()
    return _taking(func(*args, **kwargs), bad)


def _selected(saved: Saved, func: Any, args: Any, kwargs: Any) -> Any:
    made = func(*args, **kwargs)
    if not _real(made, args[2]) or _place(args[1]) in saved.fixed:
        return made
    return _taking(made, args[2].isnan().any())


def _pooled(saved: Saved, func: Any, args: Any, kwargs: Any) -> Any:
    """Back from the largest of a window: to all of it, as the mean goes."""
    made, grad, read = func(*args, **kwargs), args[0], args[1]
    if func.overloadpacket is _aten.adaptive_max_pool2d_backward:
        return _taking(made, _aten._adaptive_avg_pool2d_backward(grad, read).isnan())
    window, stride, padding, dilation, ceil_mode = args[2:7]
    if func.overloadpacket is _aten.max_pool2d_with_indices_backward and set(dilation) == {1}:
        mean = _aten.avg_pool2d_backward(grad, read, window, stride, padding, ceil_mode, True, None)
        return _taking(made, mean.isnan())
    return _spread(made, grad, (-1, -2, -3)[: len(window)])


def _margins(saved: Saved, func: Any, args: Any, kwargs: Any) -> Any:
    made, bad = func(*args, **kwargs), args[0].isnan()
    return _taking(made, bad.unsqueeze(-1) if bad.dim() else bad)


def _spread(made: Tensor, grad: Tensor, dims: tuple[int, ...]) -> Tensor:
    bad = grad.isnan()
    for dim in dims:
        if bad.dim():
            bad = bad.any(dim, keepdim=True)
    return _taking(made, bad)


_RULES: dict[Any, Rule] = {
    _aten.where: _where,
    **dict.fromkeys((_aten.masked_fill, _aten.masked_fill_), _masked_fill),
    **dict.fromkeys((_aten.div, _aten.div_), _divided),
    **dict.fromkeys((_aten.mul, _aten.mul_, _aten.pow, _aten.reciprocal, _aten.rsqrt, _aten.exp), _bounded),
    _aten.zeros_like: _zeros,
    **dict.fromkeys((_aten.scatter, _aten.scatter_, _aten.scatter_add, _aten.scatter_add_), _scattered),
    **dict.fromkeys((_aten.index_add, _aten.index_add_, _aten.index_fill, _aten.index_fill_), _scattered),
    **dict.fromkeys((_aten.index_put, _aten.index_put_, _aten._index_put_impl_), _put),
    **dict.fromkeys((_aten.masked_scatter, _aten.masked_scatter_), _selected),
    **dict.fromkeys(
        (
            _aten.max_pool2d_with_indices_backward,
            _aten.max_pool3d_with_indices_backward,
            _aten.adaptive_max_pool2d_backward,
        ),
        _pooled,
    ),
    **dict.fromkeys((_aten.multi_margin_loss_backward, _aten.multilabel_margin_loss_backward), _margins),
}
