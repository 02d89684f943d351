"""Typical mistakes, each a change of the solution: none may get full points."""

#: Name -> (file, what is there, what a student wrote instead).
MUTANTS = {
    "mean for sum": ("loss.py", 'divisor = 1 if reduction == "sum" else', "divisor ="),
    "divided by all pixels": ("loss.py", "max(1, int(counted.sum()))", "counted.size"),
    "ignored pixels counted": ("loss.py", "counted = labels != ignore_index", "counted = labels > -1"),
    "255 alone in the loss": ("loss.py", "counted = labels != ignore_index", "counted = labels != 255"),
    "255 alone in confusion": ("loss.py", "counted = truth != ignore_index", "counted = truth != 255"),
    "all classes counted in the loss": (
        "loss.py",
        "counted = labels != ignore_index",
        "counted = (labels >= 0) & (labels < scores.shape[1])",
    ),
    "all classes counted in confusion": (
        "loss.py",
        "counted = truth != ignore_index",
        "counted = truth < num_classes",
    ),
    "a product in uint8": ("loss.py", "truth[counted].astype(np.int64) * num_classes", "truth[counted] * num_classes"),
    "-1 written into uint8": (
        "loss.py",
        "np.where(counted, labels, 0)",
        "np.where(counted, labels, np.array(-1).astype(labels.dtype))",
    ),
    "one cache for all": (
        "loss.py",
        "return loss / divisor, (np.exp(shifted) / total, safe, counted, divisor)",
        "last = globals().setdefault('last', [])\n"
        "    last[:] = np.exp(shifted) / total, safe, counted, divisor\n    return loss / divisor, last",
    ),
    "largest score not taken off": (
        "loss.py",
        "shifted = scores - scores.max(axis=1, keepdims=True)",
        "shifted = scores",
    ),
    "label not subtracted": ("loss.py", "np.take_along_axis(dscores, safe[:, None], axis=1) - 1",
                             "np.take_along_axis(dscores, safe[:, None], axis=1)"),
    "dy forgotten": ("loss.py", "dscores.dtype.type(dy / divisor)", "dscores.dtype.type(1 / divisor)"),
    "divisor forgotten in the gradient": ("loss.py", "dscores.dtype.type(dy / divisor)", "dscores.dtype.type(dy)"),
    "gradient of ignored pixels": ("loss.py", "(dscores * (counted[:, None] * factor),)", "(dscores * factor,)"),
    "0 / 0 where all is ignored": ("loss.py", "max(1, int(counted.sum()))", "int(counted.sum())"),
    "float64 whatever came": ("loss.py", "dscores = p.copy()", "dscores = p.astype(np.float64)"),
    "truth and prediction exchanged": (
        "loss.py",
        "truth[counted].astype(np.int64) * num_classes + prediction[counted]",
        "prediction[counted].astype(np.int64) * num_classes + truth[counted]",
    ),
    "absent classes count as 0": ("loss.py", "float(iu[anywhere].mean())", "float(np.nan_to_num(iu).mean())"),
    "only classes of the truth have an IU": ("loss.py", "float(iu[anywhere].mean())", "float(iu[in_truth].mean())"),
}  # fmt: skip
