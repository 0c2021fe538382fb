"""Somebody's own data: what was detected in a file is shown, and what becomes of it is chosen, before anything
changes."""
