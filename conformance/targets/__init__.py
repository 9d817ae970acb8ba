"""Servers that people run, started on this machine and judged: `python -m conformance.targets`."""
