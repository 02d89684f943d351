"""The parts of `minifcn.train`: each file one of the things that happen around the loop."""
