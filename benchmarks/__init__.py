"""Accuracy, honesty, speed and memory, measured side by side: ``make bench`` writes docs/benchmarks.md."""
