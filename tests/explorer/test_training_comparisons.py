"""Trainings side by side: whose losses can be compared, what an earlier one is called, and which stay to be seen."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from training_rig import experiment

from engine.spec import ClipSpec, CopyTask, ModelSpec, ReadoutSpec
from explorer.document.turns import apart


def test_losses_of_another_length_task_or_loss_are_not_to_be_compared() -> None:
    of = experiment()
    assert not apart(of, replace(of, training=replace(of.training, learning_rate=0.5, clip=ClipSpec(kind="norm"))))
    assert not apart(of, replace(of, task=replace(of.task, batch_size=9)))
    assert apart(of, replace(of, task=replace(of.task, steps=9)))
    assert apart(of, replace(of, task=CopyTask()))
    assert apart(of, replace(of, model=ModelSpec(layers=of.model.layers, readout=ReadoutSpec(loss="mae"))))
