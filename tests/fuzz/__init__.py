"""Hostile files, made by changing sound ones: `python -m tests.fuzz`, see README.md beside this file."""
