"""Nets as ONNX files, which other runtimes execute: written, checked and compared. `minifcn.export` is the command.

Files are read back by `minifcn.weights`, like any other weights.
"""

from minifcn.onnxfile.comparison import compare, session, verify
from minifcn.onnxfile.model import NEWEST, OLDEST, OPSET, PLAIN, Form, write

__all__ = ["NEWEST", "OLDEST", "OPSET", "PLAIN", "Form", "compare", "session", "verify", "write"]
