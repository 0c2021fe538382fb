"""Gradient Flow Explorer's window. This package never imports torch; what computes runs in a process of its own."""
