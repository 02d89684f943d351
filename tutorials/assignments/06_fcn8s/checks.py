"""What is asked in assignment 6, and how it is marked: by what your functions return, not by how they do it."""

from fractions import Fraction

import numpy as np
from course import question, student

from minifcn.data.shapes import Shapes
from minifcn.layers import Conv2d, ConvTranspose2d, Crop

FILES = ("conv.py", "pool.py", "upsample.py", "loss.py", "dag.py", "fcn.py")

fcn = student("fcn")


def pair(expect, name, came):
    """A map must be two exact numbers."""
    right = isinstance(came, tuple) and len(came) == 2 and all(isinstance(v, (int, Fraction)) for v in came)
    expect.true(right, f"{name} must return (scale, shift) in exact fractions (fractions.Fraction), got {came!r}")
    expect(name, np.array([float(v) for v in came]))


@question("a", "window_map, transposed_map, compose", 14, "Centre of the kernel, less the padding. Then insert.")
def maps(case, expect):
    below, layers = (Fraction(1), Fraction(0)), [("window_map", window) for window in case["windows"]]
    layers += [("transposed_map", window) for window in case["transposed"]]
    for number, (name, (kernel_size, stride, padding)) in enumerate(layers, start=1):
        layer = getattr(fcn, name)(kernel_size, stride, padding)
        pair(expect, f"layer {number}, {name}({kernel_size}, {stride}, {padding})", layer)
        below = fcn.compose(below, layer)
        pair(expect, f"compose, from layer {number} down to the picture", below)


@question("b", "offset", 10, "Both positions in the picture are equal: solve for the row of the blob.")
def offsets(case, expect):
    blob, like = ((Fraction(scale), Fraction(shift, 2)) for scale, shift in (case["blob"], case["like"]))
    try:
        found = fcn.offset(blob, like)
    except ValueError:
        found = -1  # what is recorded where there is none
    else:
        expect.true(isinstance(found, int), f"offset must return an int, got {type(found).__name__}")
        expect.true(found >= 0, f"offset must raise ValueError where there is none; {found} came")
    expect("offset (-1: ValueError)", found)


def assembled(case):
    """The net of the case, in its dtype."""
    net = fcn.assemble(case["stride"], case["classes"], case["widths"], np.random.default_rng(case["seed"]))
    return net.astype(case.dtype)


def shapes(case, expect):
    """Shapes of the blobs that README.md names, and the offsets of its crops."""
    net = assembled(case)
    names = ("score_fr", *case["blobs"], "score")
    for name in names:
        expect.true(name in net.layers, f"the net has no layer {name!r}; README.md lists them")
    last = list(net.layers)[-1]
    expect.true(last == "score", f"the last layer must be 'score', it is {last!r}")
    found = net.shapes((2, 3, *case["picture"]))
    for name in names:
        wanted = expect.shape(name, np.broadcast_to(0, found[name]))
        expect.true(found[name] == wanted, f"{name}: expected the shape {wanted}, {found[name]} came")
        if isinstance(net.layers[name], Crop):
            expect(f"offset of {name}", net.layers[name].offset)


@question("c", "assemble: FCN-32s", 10, "score_fr, upscore, score: three layers on fc7.")
def fcn32s(case, expect):
    shapes(case, expect)


@question("d", "assemble: FCN-16s and 8s", 16, "The coarse scores, times 2, cropped like the pool's; then their sum.")
def with_skips(case, expect):
    shapes(case, expect)


@question("e", "assemble: initial values and multipliers", 10, "w[c, c] is the filter, else 0. lr_mult, decay_mult?")
def start(case, expect):
    net = assembled(case)
    taps = {name: layer for name, layer in net.layers.items() if name.startswith(("score", "upscore"))}
    for name, layer in taps.items():
        for key, param in layer.params.items():
            expect(f"{name}.{key}", param.data)
            expect(f"lr_mult of {name}.{key}", float(param.lr_mult))
            if param.lr_mult:  # what is fixed does not decay, whatever its decay_mult
                expect(f"decay_mult of {name}.{key}", float(param.decay_mult))
    expect("learned score layers", sum(isinstance(layer, Conv2d) for layer in taps.values()))
    expect("upsampling layers", sum(isinstance(layer, ConvTranspose2d) for layer in taps.values()))


def batch(case):
    """Generated pictures, cut to the case's size, and their labels."""
    height, width = case["picture"]
    drawn = [Shapes("train", 64, 96, 96, case["seed"])[k] for k in range(case["pictures"])]
    images = np.stack([s.image[16 : 16 + height, 16 : 16 + width, ::-1].transpose(2, 0, 1) / 64 - 1.8 for s in drawn])
    labels = np.stack([s.label[16 : 16 + height, 16 : 16 + width] for s in drawn])
    return images.astype(case.dtype), labels


def stirred(case):
    """A net whose score layers are no longer zero."""
    net = assembled(case)
    for name in net.params:
        if name.startswith("score_"):
            net.params[name].data[...] = 0.5 * case.normal(name, net.params[name].data.shape)
    return net


@question("f", "train_step", 16, "Wrong before step 1: net or loss. Later: zero_grads, backward, step.")
def training(case, expect):
    net, velocity = stirred(case), {}
    images, labels = batch(case)
    net.params["score_fr.bias"].grad = 100 + net.params["score_fr.bias"].data  # left from before
    fixed = {name: param.data.copy() for name, param in net.params.items() if not param.lr_mult}
    for step in range(case["steps"]):
        value = fcn.train_step(net, velocity, images, labels, case["lr"], case["momentum"], case["weight_decay"])
        expect(f"loss before step {step + 1}", value)
    for name in ("conv1_1.weight", "conv4_3.bias", "fc6.weight", "score_fr.weight", "score_fr.bias"):
        expect(f"{name} after {case['steps']} steps", net.params[name].data)
    for name, before in fixed.items():
        expect.true(np.array_equal(net.params[name].data, before), f"{name} is fixed (lr_mult 0), but has changed")


@question("g", "predict", 5, "argmax over the classes.")
def labelled(case, expect):
    found = fcn.predict(stirred(case), batch(case)[0])
    expect.true(getattr(found, "dtype", None) == np.uint8, "predict must return uint8")
    expect("labels", found)


def shares(a, b):
    """Whether two parameters are one, or have one array."""
    return a is b or np.shares_memory(a.data, b.data)


@question("h", "transplant", 7, "By name, if the shapes agree too. Copy values; two nets must not share an array.")
def transplanted(case, expect):
    rng = np.random.default_rng(case["seed"])
    kinds = zip(case["strides"], case["classes"], strict=True)
    nets = [fcn.assemble(stride, classes, case["widths"], rng) for stride, classes in kinds]
    old, new = nets
    for param in old.params.values():
        param.data = param.data + np.float32(1)
    values = {name: param.data.copy() for name, param in new.params.items()}
    left = fcn.transplant(new, old)
    expect.true(isinstance(left, list), f"transplant must return a list of names, got {type(left).__name__}")
    expect.true(left == sorted(left), "transplant must return a sorted list")
    taken = [name for name in values if not np.array_equal(values[name], new.params[name].data)]
    expect("which of the names in the list are parameters that kept their values", int(set(left).isdisjoint(taken)))
    expect("how many parameters were left", len(left))
    expect("how many parameters were taken", len(taken))
    shared = [name for name in values if name in old.params and shares(new.params[name], old.params[name])]
    expect.true(not shared, f"both nets have one array, {shared[:1]}, {len(shared)} in all: training one changes both")
    expect("score_fr.weight", new.params["score_fr.weight"].data)


@question("i", "predict", 6, "Add up ((kernel - 1) / 2 - padding) * stride below, layer by layer.")
def predicted(case, expect):
    expect.answer(case["name"], getattr(fcn, case["name"]))


@question("j", "find the bug", 6, "Which parts of the net then learn, and how fine can the labels be?")
def colleagues(case, expect):
    expect.answer(case["name"], fcn.COLLEAGUES[case["name"]])
