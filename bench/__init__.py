"""Benchmarks: a real engine in a process of its own, and a client that measures what it sees of it."""
