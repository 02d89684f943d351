"""Typical mistakes, each a change of the solution: none may get full points."""

#: Name -> (file, what is there, what a student wrote instead).
MUTANTS = {
    "kernel not rotated": ("conv.py", "dy, w[:, :, i, j], optimize", "dy, w[:, :, kh - 1 - i, kw - 1 - j], optimize"),
    "= for +=": ("conv.py", "[:, :, :out_h, :out_w] += stamp", "[:, :, :out_h, :out_w] = stamp"),
    "mean for sum in db": ("conv.py", "dy.sum(axis=(0, 2, 3))", "dy.mean(axis=(0, 2, 3))"),
    "db of one picture": ("conv.py", "dy.sum(axis=(0, 2, 3))", "dy[0].sum(axis=(1, 2))"),
    "padding not taken off dx": (
        "conv.py",
        "dframed[:, :, padding : padding + x.shape[2], padding : padding + x.shape[3]].copy()",
        "dframed[:, :, : x.shape[2], : x.shape[3]].copy()",
    ),
    "db in float64": ("conv.py", "dy.sum(axis=(0, 2, 3))", "dy.sum(axis=(0, 2, 3), dtype=np.float64)"),
    "db where there was no b": ("conv.py", "dy.sum(axis=(0, 2, 3)) if has_bias else None", "dy.sum(axis=(0, 2, 3))"),
    "one cache for all": (
        "conv.py",
        "return y, (x, w, b is not None, stride, padding, framed)",
        "last = globals().setdefault('last', [])\n"
        "    last[:] = x, w, b is not None, stride, padding, framed\n    return y, last",
    ),
    "stride forgotten in dw": (
        "conv.py",
        "seen = framed[:, :, rows, columns][:, :, :out_h, :out_w]",
        "seen = framed[:, :, i : i + out_h, j : j + out_w]",
    ),
    "stride forgotten": (
        "conv.py",
        "seen = framed[:, :, i : i + stride * out_h : stride, j : j + stride * out_w : stride]",
        "seen = framed[:, :, i : i + out_h, j : j + out_w]",
    ),
    "bias forgotten": ("conv.py", "y += b[:, None, None]", "pass"),
    "float64 whatever came": ("conv.py", "y = np.zeros((images, outputs, out_h, out_w), x.dtype)",
                              "y = np.zeros((images, outputs, out_h, out_w))"),
    "right for even dy alone": (
        "conv.py",
        "    kh, kw = w.shape[2:]\n    out_h, out_w = dy.shape[2:]",
        "    kh, kw = w.shape[2:]\n    out_h, out_w = dy.shape[2:]\n    dy = dy * 0 + dy.mean((2, 3), keepdims=True)",
    ),
    "sizes rounded up": ("conv.py", "return (n + 2 * p - k) // s + 1", "return -((k - n - 2 * p) // s) + 1"),
    "predicted by guess": ("conv.py", "SEEN_BY = (4, 9, 6)", "SEEN_BY = (1, 9, 9)"),
}  # fmt: skip
