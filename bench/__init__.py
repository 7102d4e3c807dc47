"""Benchmarks: each writes what it measured to bench/results; docs/benchmarks.md is drawn from that."""
