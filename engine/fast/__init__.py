"""The fast road: the same numbers as engine.bptt to rounding, with whole sequences at once wherever steps allow it.

Forward (engine.fast.forwards), the input's side of all steps is one product. Then either torch's kernel gives h, and
all gates of all steps follow from it in one more product, or a loop without a spare operation goes step by step.
Backward (engine.fast.backwards), the slopes of many steps are multiplied out at once, and only what must be chained is
chained. Both return None where that is not safe (numbers that overflow, or a kernel that rounds more than we allow),
and engine.bptt, which keeps to autograd's own order, has to do it.

On a GPU, what remains of loops over steps, here and in engine.bptt, goes many steps to a launch (engine.fast.march,
engine.fast.captured).
"""

from engine.fast.arrays import far_from_overflow
from engine.fast.backwards import GROWTH, LARGEST, backward, slopes_of
from engine.fast.forwards import forward

__all__ = ["GROWTH", "LARGEST", "backward", "far_from_overflow", "forward", "slopes_of"]
