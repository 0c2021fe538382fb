"""What choices are called on the cards, where more than one of them says it."""

from __future__ import annotations

LOSSES = [("mse", "MSE"), ("cross_entropy", "cross-entropy"), ("binary_cross_entropy", "binary cross-entropy")]
PLACES = [("last", "last step"), ("every", "every step"), ("mean", "mean of steps"), ("attention", "attention")]
SCALINGS = [("standard", "zero mean, unit variance"), ("range", "to 0 … 1"), ("none", "as they are")]
ORDERS = [("shuffled", "shuffled"), ("stream", "one stream")]
