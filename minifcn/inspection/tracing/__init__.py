"""A net's passes over one picture as a page: the graph to scale, feature maps, gradients, receptive fields.

targets   the scores that backward passes start from
passes    the net run and looked at; channels chosen
maps      channels made small: averaged, 8 bits
scene     where the boxes and lines of the drawing lie
packing   all of it as the data of a page, within a number of bytes
document  the page's elements; trace.css and the scripts beside it are its look and its life
"""

from minifcn.inspection.tracing.document import write
from minifcn.inspection.tracing.packing import Subject
from minifcn.inspection.tracing.passes import Backward, Trace, trace
from minifcn.inspection.tracing.targets import Target, asked, salient

__all__ = ["Backward", "Subject", "Target", "Trace", "asked", "salient", "trace", "write"]
