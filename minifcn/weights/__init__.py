"""Weight files: minifcn's own format, which says how its net is built and what its input must look like."""

from minifcn.weights.native import load, open_net, save
from minifcn.weights.report import Report

__all__ = ["Report", "load", "open_net", "save"]
