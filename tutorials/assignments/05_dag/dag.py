"""Assignment 5: the backward pass of a graph of layers, and momentum SGD. This is the file that you hand in."""

import numpy as np

# --- predict: fill these in before you run anything -----------------------------------------------------------------

#: A skip: score_pool2, a convolution, reads pool2, as conv3_1 does. upcrop cuts upscore, the coarser scores, to the
#: size of score_pool2; a sum adds up the two; then one more transposed convolution, and a crop to the size of data,
#: which conv1_1 reads. How many layers read pool2? score_pool2? upscore? data?
READERS = None  # four numbers
#: Learning rate 0.5, momentum 0.8, no decay, and a gradient that is always 1. How far does the weight move in the first
#: step? In the second? In each, in the long run?
MOVES = None  # three numbers
#: After that long run the rate falls to 0.05. How far does the weight move in the next step, with the rate inside the
#: velocity, as below? And with V <- 0.8 V + g, w <- w - rate V, as PyTorch has it?
AFTER_THE_FALL = None  # (Caffe, PyTorch)
# BEGIN SOLUTION
READERS = (2, 2, 1, 2)
MOVES = (0.5, 0.9, 2.5)
AFTER_THE_FALL = (2.05, 0.25)
# END SOLUTION

# --- find the bug: see README.md, "Four colleagues" -----------------------------------------------------------------

#: What did each of them do? One of "right", "zero_grads forgotten", "step before backward", "wrong sign".
COLLEAGUES = {"Ada": None, "Bo": None, "Cem": None, "Dora": None}
# BEGIN SOLUTION
COLLEAGUES = {"Ada": "zero_grads forgotten", "Bo": "right", "Cem": "wrong sign", "Dora": "step before backward"}
# END SOLUTION


def outputs(nodes):
    """The numbers of the nodes that no node reads, in order: a list.

    nodes: a list of (name, layer, inputs), inputs being the numbers of the nodes that it reads, smaller than its own.
    """
    # BEGIN SOLUTION
    read = {i for node in nodes for i in node.inputs}
    return [k for k in range(len(nodes)) if k not in read]
    # END SOLUTION


def backward(nodes, dys):
    """Run the layers backward, last one first: the chain rule on a graph.

    nodes: as above; a forward pass has filled the layers' caches. dys: a gradient for each output, in the order of
    `outputs`, or None for one that the loss does not depend on. node.layer.backward(dy) takes the gradient at the
    layer's output and returns a tuple, a gradient for each of node.inputs, or None for one that had no part in it; it
    may be called once, when dy is complete. A layer whose output got no gradient is not run. Entrances have no inputs,
    and no backward.

    Returns name -> the gradient at that node's output, of all that got one, the entrances included. Changes no array
    that it was given: two inputs of a layer may have been given the same one.
    """
    # BEGIN SOLUTION
    diffs = {k: dy for k, dy in zip(outputs(nodes), dys, strict=True) if dy is not None}
    for k in reversed(range(len(nodes))):
        node = nodes[k]
        if k not in diffs or not node.inputs:
            continue
        for i, dx in zip(node.inputs, node.layer.backward(diffs[k]), strict=True):
            if dx is not None:
                diffs[i] = diffs[i] + dx if i in diffs else dx
    return {nodes[k].name: diff for k, diff in diffs.items()}
    # END SOLUTION


def zero_grads(params):
    """Forget all gradients: each is None again. params: name -> Param."""
    # BEGIN SOLUTION
    for param in params.values():
        param.grad = None
    # END SOLUTION


def accumulate(param, gradient):
    """Add a gradient to param.grad, None before the first, of its dtype. A fixed parameter (lr_mult 0) gets none."""
    # BEGIN SOLUTION
    if param.lr_mult == 0:
        return
    param.grad = gradient if param.grad is None else param.grad + gradient
    # END SOLUTION


def momentum_step(params, velocity, lr, momentum=0.9, weight_decay=0.0):
    """One update of every parameter w that learns and has a gradient g, as Caffe does it:

        V <- momentum V + lr lr_mult (g + weight_decay decay_mult w)
        w <- w - V

    params: name -> Param; param.data is changed in place and keeps its dtype. velocity: name -> V, empty before the
    first step. Fixed parameters (lr_mult 0), and those without a gradient, do not move in this step, and get no entry.
    """
    # BEGIN SOLUTION
    for name, param in params.items():
        if param.lr_mult == 0 or param.grad is None:
            continue
        v = velocity.setdefault(name, np.zeros_like(param.data))
        v *= momentum
        v += lr * param.lr_mult * (param.grad + weight_decay * param.decay_mult * param.data)
        param.data -= v
    # END SOLUTION
