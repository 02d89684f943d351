"""Faster twins of operations. Each file names the operation it must agree with; only that operation knows of it."""
