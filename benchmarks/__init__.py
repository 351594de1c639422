"""Benchmarks of accuracy, coverage, speed and memory: ``make bench`` writes docs/benchmarks.md."""
