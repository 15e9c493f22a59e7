"""Triggers: messages that start runs, signal tasks and cancel runs; and the dead letters of those that can't."""
