"""Where the engine runs: in a process of its own (executor), or right here (inline); the window asks through a courier.

This package imports nothing by itself: the engine's process imports `explorer.compute.worker`, and must get no Qt.
"""
