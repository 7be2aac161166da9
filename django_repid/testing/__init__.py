"""For tests: the suite that every broker passes."""
