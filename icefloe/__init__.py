"""The composition root: settings, logs and the command line, which wire the rooms together; nobody imports it."""
