"""Traces of sequences whose whole trace would not fit into memory: checkpoints, and the rest recomputed on demand.

    trace = engine.trace_long(lstm, x, loss=lambda y, steps: (y - targets[steps]).pow(2).mean((1, 2)))
    trace["l0"].norms["grads.h"]          # (T,), of every quantity
    trace["l0"].weight_grads["weight_hh"] # of the whole sequence
    trace.window(70_001, 70_200)          # an ordinary Trace of these steps: values, gradients, audit

The sequence is cut into stretches. What is kept is, at every border between two of them, the states of every layer and
their total gradients (after Chen et al. 2016, "Training deep nets with sublinear memory cost", with the checkpoints of
the way back kept as well). From them any stretch can be computed again by itself, to the bit.
"""

from engine.long.layer import LongLayer
from engine.long.run import LongRun
from engine.long.take import long_run, trace_long
from engine.long.trace import LongTrace

__all__ = ["LongLayer", "LongRun", "LongTrace", "long_run", "trace_long"]
