"""Nets as ONNX files, which other runtimes execute: written, checked and compared. `minifcn.export` is the command.

Files are read back by `minifcn.weights`, like any other weights.
"""

from minifcn.onnxfile.model import NEWEST, OLDEST, OPSET, Form, write
from minifcn.onnxfile.verify import compare, session, verify

__all__ = ["NEWEST", "OLDEST", "OPSET", "Form", "compare", "session", "verify", "write"]
