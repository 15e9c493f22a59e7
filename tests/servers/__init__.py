"""Real servers for tests, started from packages in folders of their own, on free ports of the loopback interface."""
