"""A user's project as type checkers see it: `python -m tests.typed`, which `make types` runs."""
