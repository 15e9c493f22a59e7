"""The document store that emits each of its changes: the protocol, and its implementations."""
