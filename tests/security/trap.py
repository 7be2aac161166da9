"""Springs when it is imported: no job may bring that about."""

raise AssertionError("it was imported")
