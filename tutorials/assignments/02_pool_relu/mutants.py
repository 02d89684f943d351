"""Typical mistakes, each a change of the solution: none may get full points."""

#: Name -> (file, what is there, what a student wrote instead).
MUTANTS = {
    "= for += where windows overlap": (
        "pool.py",
        "part[:, :, :rows, :columns] += dy * (winner == t)",
        "part[:, :, :rows, :columns] = np.where(winner == t, dy, part[:, :, :rows, :columns])",
    ),
    "zeros for the padding": ("pool.py", "-np.inf, x.dtype", "0.0, x.dtype"),
    "a large number for the padding": ("pool.py", "-np.inf, x.dtype", "-1e9, x.dtype"),
    "the stride is 1 unless told": ("pool.py", "stride or kernel_size", "stride or 1"),
    "ReLU in place": ("pool.py", "return np.maximum(x, 0), x > 0", "return np.maximum(x, 0, out=x), x > 0"),
    "one cache for all": (
        "pool.py",
        "return seen.max(axis=0), (winner, framed.shape, x.shape, k, s, padding)",
        "last = globals().setdefault('last', [])\n"
        "    last[:] = winner, framed.shape, x.shape, k, s, padding\n    return seen.max(axis=0), last",
    ),
    "always rounded down": ("pool.py", "(-(-span // s) if ceil_mode else span // s) + 1", "span // s + 1"),
    "last window not left out": ("pool.py", "(out - 1) * s >= n + p", "(out - 1) * s >= n + 9 * p + k"),
    "mask from dy": ("pool.py", "return (dy * cache,)", "return (dy * (dy > 0),)"),
    "mask forgotten": ("pool.py", "return (dy * cache,)", "return (dy.copy(),)"),
    "gradient passes at 0": ("pool.py", "np.maximum(x, 0), x > 0", "np.maximum(x, 0), x >= 0"),
    "dy shared by the window": (
        "pool.py",
        "part[:, :, :rows, :columns] += dy * (winner == t)",
        "part[:, :, :rows, :columns] += dy / (k * k)",
    ),
    "the last of equals wins": (
        "pool.py",
        "winner = seen.argmax(axis=0)",
        "winner = k * k - 1 - seen[::-1].argmax(axis=0)",
    ),
    "padding not taken off dx": (
        "pool.py",
        "dframed[:, :, padding : padding + shape[2], padding : padding + shape[3]].copy()",
        "dframed[:, :, : shape[2], : shape[3]].copy()",
    ),
    "stride taken for the kernel": ("pool.py", "k, s = kernel_size, stride or kernel_size", "k = s = kernel_size"),
}
