"""Typical mistakes, each a change of the solution: none may get full points."""

#: Name -> (file, what is there, what a student wrote instead).
MUTANTS = {
    "stamps overwrite": ("upsample.py", "under += stamps[..., i, j]", "under[...] = stamps[..., i, j]"),
    "kernel turned": ("upsample.py", "under += stamps[..., i, j]", "under += stamps[..., kh - 1 - i, kw - 1 - j]"),
    "kernel turned in dx": ("upsample.py", '->nchw", under, w, ', '->nchw", under, w[..., ::-1, ::-1], '),
    "dw of one picture": ("upsample.py", '->coij", x, under, ', '->coij", x[:1], under[:1], '),
    "padding forgotten in the gradients": (
        "upsample.py",
        "frame = ((0, 0), (0, 0), (padding, padding), (padding, padding))",
        "frame = ((0, 0), (0, 0), (0, 2 * padding), (0, 2 * padding))",
    ),
    "bias forgotten": ("upsample.py", "y += b[:, None, None]", "pass"),
    "db in float64": ("upsample.py", "dy.sum(axis=(0, 2, 3))", "dy.sum(axis=(0, 2, 3), dtype=np.float64)"),
    "db where there was no b": (
        "upsample.py",
        "dy.sum(axis=(0, 2, 3)) if has_bias else None",
        "dy.sum(axis=(0, 2, 3))",
    ),
    "one cache for all": (
        "upsample.py",
        "return y, (x, w, b is not None, stride, padding)",
        "last = globals().setdefault('last', [])\n"
        "    last[:] = x, w, b is not None, stride, padding\n    return y, last",
    ),
    "mean for sum in db": ("upsample.py", "dy.sum(axis=(0, 2, 3))", "dy.mean(axis=(0, 2, 3))"),
    "crop at the centre": (
        "upsample.py",
        "(top, left), (rows, columns) = offset, size\n",
        "(top, left), (rows, columns) = ((x.shape[2] - size[0]) // 2, (x.shape[3] - size[1]) // 2), size\n",
    ),
    "gradient of the crop in the corner": (
        "upsample.py",
        "whole[:, :, top : top + dy.shape[2], left : left + dy.shape[3]] = dy",
        "whole[:, :, : dy.shape[2], : dy.shape[3]] = dy",
    ),
    "dy shared out by the sum": ("upsample.py", "return (dy,) * cache", "return (dy / cache,) * cache"),
    "one gradient for the sum": ("upsample.py", "return (dy,) * cache", "return (dy,) + (dy * 0,) * (cache - 1)"),
    "filter of an odd size for all": ("upsample.py", "np.arange(size) - (size - 1) / 2", "np.arange(size) - size // 2"),
}
