"""What is asked in assignment 5, and how it is marked: by what your functions return, not by how they do it."""

import numpy as np
from course import question, student
from minifcn.simple import Add, Like, Linear, Multiply, Square

from minifcn.net import Net, Param

FILES = ("dag.py",)

dag = student("dag")


class Builder:
    """A net whose weights are the case's."""

    def __init__(self, case):
        self.net, self.case, self.channels = Net(), case, case["x"][1]
        self.inputs = [case.normal("data")] if "data" in case else [case.normal("data", case["x"])]
        self.data = self.net.input("data", self.channels)
        self.ends = []  # names of the outputs, where there are several: these points do not hang on `outputs`

    def linear(self, name, x):
        """A Linear layer of as many channels as come in."""
        weight, bias = (
            self.case.normal(f"{name}.{what}", (self.channels,) * axes).copy()
            for what, axes in (("weight", 2), ("bias", 1))
        )
        return self.net.add(name, Linear(weight, bias), x)


def chain(b):
    b.linear("last", b.net.add("square", Square(), b.linear("first", b.data)))


def fork(b):
    h = b.linear("first", b.data)
    b.net.add("product", Multiply(), b.linear("left", h), b.linear("right", h))


def twice(b):
    h = b.linear("first", b.data)
    b.linear("last", b.net.add("product", Multiply(), h, h))


def skips(b):
    h = b.linear("first", b.data)
    deep = b.linear("deep", b.net.add("square", Square(), h))
    b.net.add("sum2", Add(), b.net.add("sum1", Add(), deep, h), b.data)


def diamonds(b):
    h = b.linear("first", b.data)
    for k in range(3):
        left, right = b.net.add(f"square{k}", Square(), h), b.linear(f"linear{k}", h)
        h = b.net.add(f"join{k}", Add(), left, right)


def two_outputs(b):
    h = b.linear("first", b.data)
    b.linear("score_a", h)
    b.linear("score_b", b.net.add("square", Square(), h))
    b.ends = ["score_a", "score_b"]


def reference(b):
    h = b.linear("first", b.data)
    small = b.net.input("small", b.channels)
    n, c, height, width = b.case["x"]
    b.inputs.append(b.case.normal("small", (n, c, height - 1, width - 2)))
    cut = b.net.add("cut", Like(), h, b.linear("unseen", small))
    b.net.add("sum", Add(), b.net.add("square", Square(), cut), cut)


NETS = {net.__name__: net for net in (chain, fork, twice, skips, diamonds, two_outputs, reference)}


def built(case):
    """The net of the case after a forward pass, and its outputs."""
    b = Builder(case)
    NETS[case["net"]](b)
    last = b.net.forward(*b.inputs)
    return b.net, [b.net.blobs[name] for name in b.ends] if b.ends else [last]


@question("a", "outputs", 6, "Collect the numbers of all inputs; what is left?")
def ends(case, expect):
    found = dag.outputs(built(case)[0].nodes)
    expect.true(isinstance(found, (list, tuple)), f"outputs must return a list of numbers, got {type(found).__name__}")
    expect("outputs", np.array(found))


def run_back(case, expect):
    """All gradients of the net: at the nodes, and of the parameters."""
    net, ys = built(case)
    dys = [case.normal(f"dy{k}", expect.shape(f"y{k}", y)) for k, y in enumerate(ys)]
    if case["without"] is not None:
        dys[case["without"]] = None
    before = [None if dy is None else dy.copy() for dy in dys]
    for param in net.params.values():  # so that these points do not hang on accumulate
        param.grad = np.zeros_like(param.data)
    found = dag.backward(net.nodes, dys)
    expect.true(isinstance(found, dict), f"backward must return name -> gradient, got {type(found).__name__}")
    for dy, was in zip(dys, before, strict=True):
        expect.true(dy is None or np.array_equal(dy, was), "backward changed a gradient that it was given")
    wanted = [node.name for node in net.nodes]
    for name in wanted:
        expect(f"is there a gradient at {name!r} (1) or not (0)", int(name in found))
    for name in wanted:
        if name in found:
            expect(f"gradient at {name}", found[name])


@question("b", "backward: a chain", 14, "What a layer returns is the dy of the layer before it.")
def back_along_a_chain(case, expect):
    run_back(case, expect)


@question("c", "backward: forks and joins", 24, "Who is read twice gets two gradients; their sum is its dy.")
def back_through_forks(case, expect):
    run_back(case, expect)


@question("d", "backward: several outputs, and None", 14, "No gradient is no reason to run a layer.")
def back_from_outputs(case, expect):
    run_back(case, expect)


@question("e", "accumulate and zero_grads", 12, "= would lose the first of two batches.")
def gradients(case, expect):
    data = case.normal("x").copy()
    param, fixed = Param(data.copy()), Param(data.copy(), lr_mult=0.0)
    given = [case.normal(f"gradient {k}", case["x"]).copy() for k in range(case["batches"])]
    for gradient in given:
        dag.accumulate(param, gradient.copy())
        dag.accumulate(fixed, gradient.copy())
    expect("grad", param.grad)
    expect.true(fixed.grad is None, "a fixed parameter, lr_mult 0, got a gradient")
    dag.zero_grads({"w": param, "fixed": fixed})
    expect.true(param.grad is None, "zero_grads: grad must be None again")
    dag.accumulate(param, given[0].copy())
    expect("grad after zero_grads", param.grad)


def train(case, expect):
    """Some steps of three parameters with the multipliers of the case."""
    params = {}
    for k, (lr_mult, decay_mult) in enumerate(case["multipliers"]):
        params[f"w{k}"] = Param(case.normal(f"w{k}", case["x"]).copy(), lr_mult, decay_mult)
    arrays = {name: param.data for name, param in params.items()}
    velocity = {}
    for step, lr in enumerate(case["rates"]):
        for k, param in enumerate(params.values()):
            gone = k == case["without"] and step >= case["since"]
            param.grad = None if gone else case.normal(f"gradient {step} {k}", case["x"]).copy()
        dag.momentum_step(params, velocity, lr, momentum=case["momentum"], weight_decay=case["weight_decay"])
    for name, param in list(params.items()):
        expect.true(param.data is arrays[name], f"{name}.data is another array now; it must be changed in place")
        expect(f"{name} after {len(case['rates'])} steps", param.data)
    for name in params:
        expect(f"is there a velocity of {name} (1) or not (0)", int(name in velocity))
        if case["look"] == "V":
            expect(f"velocity of {name}", velocity[name])


@question("f", "momentum_step: the plain rule", 10, "V first, with the rate inside; then w.")
def plain_steps(case, expect):
    train(case, expect)


@question("g", "momentum_step: falling rates, multipliers, decay", 12, "Each has its own lr_mult and decay_mult.")
def all_steps(case, expect):
    train(case, expect)


@question("h", "predict", 4, "Write down V for the first three steps.")
def predict(case, expect):
    expect.answer(case["name"], getattr(dag, case["name"]))


@question("i", "find the bug", 4, "By hand: w - 0.1 * gradient, three times.")
def colleagues(case, expect):
    expect.answer(case["name"], dag.COLLEAGUES[case["name"]])
