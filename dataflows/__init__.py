"""The frozen topologies: Bytewax dataflows that execute every workflow there is, and their operators."""
