"""The HTTP API: what people and front ends do with workflows, runs and decisions."""
