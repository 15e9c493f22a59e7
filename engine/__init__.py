"""The specification language and the state machine of workflows: pure functions and frozen values."""
