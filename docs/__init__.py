"""The documentation site: pages written here, and pages made of docstrings, notebooks and the commands' own help."""
