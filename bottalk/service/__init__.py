"""Use cases that the edges call, a file per noun. No HTTP in here: forms come in, answers go out, both frozen."""
