"""What the performance claims rest on: `python -m benchmarks.engine` and `python -m benchmarks.explorer`."""
