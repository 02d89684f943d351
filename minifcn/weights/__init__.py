"""Weight files: minifcn's own format, which says how its net is built and fed, and those of other frameworks."""

from minifcn.weights.native import save
from minifcn.weights.opening import expand_score, load, open_net, open_source, transplant
from minifcn.weights.report import Report

__all__ = ["Report", "expand_score", "load", "open_net", "open_source", "save", "transplant"]
