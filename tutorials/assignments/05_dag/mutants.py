"""Typical mistakes, each a change of the solution: none may get full points."""

#: Name -> (file, what is there, what a student wrote instead).
MUTANTS = {
    "the last branch alone": ("dag.py", "diffs[i] = diffs[i] + dx if i in diffs else dx", "diffs[i] = dx"),
    "the first branch alone": ("dag.py", "diffs[i] = diffs[i] + dx if i in diffs else dx", "diffs.setdefault(i, dx)"),
    "summed in place": (
        "dag.py",
        "diffs[i] = diffs[i] + dx if i in diffs else dx",
        "diffs[i] = np.add(diffs[i], dx, out=diffs[i]) if i in diffs else dx",
    ),
    "branches averaged": (
        "dag.py",
        "diffs[i] = diffs[i] + dx if i in diffs else dx",
        "diffs[i] = (diffs[i] + dx) / 2 if i in diffs else dx",
    ),
    "forward order": ("dag.py", "for k in reversed(range(len(nodes))):", "for k in range(len(nodes)):"),
    "zeros where there is no loss": (
        "dag.py",
        "dys, strict=True) if dy is not None}",
        "[0.0 if dy is None else dy for dy in dys], strict=True)}",
    ),
    "the last node is the only output": (
        "dag.py",
        "    return [k for k in range(len(nodes)) if k not in read]",
        "    return [len(nodes) - 1]",
    ),
    "grad overwritten": ("dag.py", "gradient if param.grad is None else param.grad + gradient", "gradient"),
    "fixed parameters get gradients": ("dag.py", "if param.lr_mult == 0:\n        return", "pass"),
    "momentum forgotten": ("dag.py", "v *= momentum", "v *= 0"),
    "rate outside the velocity": (
        "dag.py",
        "        v += lr * param.lr_mult * (param.grad + weight_decay * param.decay_mult * param.data)\n"
        "        param.data -= v",
        "        v += param.grad + weight_decay * param.decay_mult * param.data\n"
        "        param.data -= lr * param.lr_mult * v",
    ),
    "the velocity of the other sign": (
        "dag.py",
        "        v += lr * param.lr_mult * (param.grad + weight_decay * param.decay_mult * param.data)\n"
        "        param.data -= v",
        "        v -= lr * param.lr_mult * (param.grad + weight_decay * param.decay_mult * param.data)\n"
        "        param.data += v",
    ),
    "rolls on without a gradient": (
        "dag.py",
        "param.lr_mult == 0 or param.grad is None:\n            continue",
        "param.lr_mult == 0 or (param.grad is None and name not in velocity):\n            continue\n"
        "        if param.grad is None:\n            param.grad = np.zeros_like(param.data)",
    ),
    "gradients in float64": (
        "dag.py",
        "gradient if param.grad is None else param.grad + gradient",
        "(np.zeros(gradient.shape) if param.grad is None else param.grad) + gradient",
    ),
    "lr_mult forgotten": ("dag.py", "lr * param.lr_mult *", "lr *"),
    "decay on all": ("dag.py", "weight_decay * param.decay_mult * param.data", "weight_decay * param.data"),
    "decay without the rate": (
        "dag.py",
        "(param.grad + weight_decay * param.decay_mult * param.data)",
        "param.grad + weight_decay * param.decay_mult * param.data",
    ),
    "not in place": ("dag.py", "param.data -= v", "param.data = param.data - v"),
}
