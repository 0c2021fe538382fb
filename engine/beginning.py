"""What a new experiment is trained with, where nobody has chosen yet. Plain data, no torch.

`TrainingSpec()` is what a file means that says nothing of training: plain descent with 0.1, which learns hardly
anything of the memory tasks. What stands here learns all tasks but copy memory and parity within 1,000 iterations, with
one cell or another (benchmarks/results/beginnings.txt; measured by `python -m benchmarks.beginnings`).
"""

from __future__ import annotations

from engine.spec import ClipSpec, OptimizerSpec, TrainingSpec

TRAINING = TrainingSpec(
    learning_rate=0.01, optimizer=OptimizerSpec(kind="adam"), clip=ClipSpec(kind="norm", max_norm=1.0)
)
