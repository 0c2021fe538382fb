"""What a module's own forward would compute with now, where torch.nn.utils.parametrize makes it of something else, and
nothing of the module changed by asking: spectral_norm iterates whenever it is asked, and others draw or count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.utils import parametrize


def weights_now(module: nn.Module, names: list[str]) -> dict[str, Tensor]:
    """The weights of these names that the next forward of a layer or cell would use. Draws from the random state as
    that forward would."""
    if not parametrize.is_parametrized(module):
        return {name: getattr(module, name) for name in names}
    with _kept(module):
        if not isinstance(module, nn.RNNBase):
            return {name: getattr(module, name) for name in names}
        module._update_flat_weights()
        flat = dict(zip(module._flat_weights_names, module._flat_weights, strict=True))
    return {name: weight for name in names if (weight := flat[name]) is not None}


@contextmanager
def _kept(module: nn.Module) -> Iterator[None]:
    """Puts back whatever is bound to another object inside, works on copies of buffers and other tensors, and leaves
    what parametrize.cached() remembers as it was."""
    parts = [] if not isinstance(module.parametrizations, nn.Module) else list(module.parametrizations.modules())
    before = [(part, dict(vars(part))) for part in (*parts, module)]
    remembered = dict(parametrize._cache)
    try:
        for part in parts:
            copies = {name: held.detach().clone() for name, held in vars(part).items() if isinstance(held, Tensor)}
            buffers = {name: None if held is None else held.detach().clone() for name, held in part._buffers.items()}
            vars(part).update(copies, _buffers=buffers)
        # On a GPU it would move the weights to another place in memory.
        vars(module)["flatten_parameters"] = lambda: None
        yield
    finally:
        for part, held in before:
            vars(part).clear()
            vars(part).update(held)
        parametrize._cache.clear()
        parametrize._cache.update(remembered)
