"""Typical mistakes, each a change of the solution or of an earlier one: none may get full points."""

#: Name -> (file, what is there, what a student wrote instead).
MUTANTS = {
    "corner for centre": ("fcn.py", "Fraction(kernel_size - 1, 2) - padding", "Fraction(-padding)"),
    "composed the wrong way round": ("fcn.py", "below[0] * layer[1] + below[1]", "layer[0] * below[1] + layer[1]"),
    "floats for fractions": ("fcn.py", "return Fraction(stride), Fraction", "return float(stride), Fraction"),
    "offsets rounded": ("fcn.py", "found.denominator != 1 or found < 0", "found < 0"),
    "offsets below 0": ("fcn.py", " or found < 0:", ":"),
    "offset in pixels of the picture": (
        "fcn.py",
        "(like[1] - blob[1]) / blob[0]",
        "(like[1] - blob[1]) / like[0] ** 0",
    ),
    "crop in the corner": ("fcn.py", 'net.add(f"{name}c", Crop(1)', 'net.add(f"{name}c", Crop(0)'),
    "kernel as large as the stride": ("fcn.py", "num_classes, 2 * factor, stride", "num_classes, factor, stride"),
    "pool3 forgotten": ("fcn.py", '8: ("pool4", "pool3")', '8: ("pool4",)'),
    "upsampling learns": ("fcn.py", "weight.lr_mult = 0.0", "weight.lr_mult = 1.0"),
    "every class sees all": ("fcn.py", "weight.data[range(num_classes), range(num_classes)] =", "weight.data[...] ="),
    "upsampling starts at zero": (
        "fcn.py",
        "weight.data[range(num_classes), range(num_classes)] = upsample.bilinear_filter(2 * factor)",
        "pass",
    ),
    "biases as weights": (
        "fcn.py",
        'layer.params["bias"].lr_mult, layer.params["bias"].decay_mult = 2.0, 0.0',
        "pass",
    ),
    "zero_grads forgotten": ("fcn.py", "    dag.zero_grads(net.params)\n", ""),
    "sum for mean": ("fcn.py", 'labels, reduction="mean")', 'labels, reduction="sum")'),
    "names without shapes": ("fcn.py", "other is None or other.data.shape != param.data.shape", "other is None"),
    "a list in the net's order": ("fcn.py", "return sorted(left)", "return left[::-1]"),
    "the nets share arrays": ("fcn.py", "param.data[...] = other.data", "param.data = other.data"),
    "kernel not rotated, in conv.py": (
        "conv.py",
        "dy, w[:, :, i, j], optimize",
        "dy, w[:, :, kh - 1 - i, kw - 1 - j], optimize",
    ),
    "always rounded down, in pool.py": (
        "pool.py",
        "(-(-span // s) if ceil_mode else span // s) + 1",
        "span // s + 1",
    ),
    "ignored pixels counted, in loss.py": ("loss.py", "counted = labels != ignore_index", "counted = labels > -1"),
    "the last branch alone, in dag.py": (
        "dag.py",
        "diffs[i] = diffs[i] + dx if i in diffs else dx",
        "diffs[i] = dx",
    ),
}
