"""Block types: the contract that a block keeps, the catalogue of those installed, and a file for each built-in type."""
