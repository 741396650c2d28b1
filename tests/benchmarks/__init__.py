"""Timings against peers, for people to read: `python -m tests.benchmarks`. No test asserts them."""
