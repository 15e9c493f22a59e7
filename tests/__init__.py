"""The tests, one folder a room; a package, so that `tests.engine` is never taken for `engine`."""
