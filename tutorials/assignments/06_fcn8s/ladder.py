"""Trains FCN-32s, then 16s from it, then 8s from that, of your functions, on generated pictures; prints the ladder.

python ladder.py                        about as long as your convolutions need: begin with --steps 20
python ladder.py --steps 450 --size 96  as many steps, and pictures as large, as `minifcn train --stages 32s,16s,8s` has
"""

import argparse
import time

import fcn
import loss
import numpy as np
from minifcn.trunk import TINY

from minifcn.data.shapes import Shapes

MEAN_BGR = np.array([104.00698793, 116.66876762, 122.67891434], np.float32)


def batch(dataset, indices):
    """Pictures as the net sees them, BGR less the mean, divided by 64; and their labels."""
    samples = [dataset[int(i)] for i in indices]
    images = np.stack([(s.image[:, :, ::-1] - MEAN_BGR).transpose(2, 0, 1) / 64 for s in samples])
    return np.ascontiguousarray(images, np.float32), np.stack([s.label for s in samples])


def evaluate(net, dataset, size=8):
    """The four measures over the whole set: one confusion matrix, summed over its pictures."""
    matrix = 0
    for first in range(0, len(dataset), size):
        images, labels = batch(dataset, range(first, min(first + size, len(dataset))))
        matrix = matrix + loss.confusion(labels, fcn.predict(net, images), len(dataset.classes))
    return loss.measures(matrix)


def main():
    """Train the three nets, and print what each reaches."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--steps", type=int, default=250, help="of each net (default: 250)")
    flags.add_argument("--batch-size", type=int, default=8)
    flags.add_argument("--size", type=int, default=64, help="of the pictures, in pixels (default: 64)")
    flags.add_argument(
        "--background",
        type=float,
        default=0.2,
        help="share of the background's pixels that count in training: three quarters of all are background, and a "
        "short training would learn to say nothing else (default: 0.2)",
    )
    flags.add_argument("--lr", type=float, default=0.05)
    flags.add_argument("--seed", type=int, default=0)
    arguments = flags.parse_args()
    size = arguments.size
    # tint 1: a form always has its colour, so that few steps are enough.
    train, val = (Shapes(split, count, size, size, tint=1.0) for split, count in (("train", 2048), ("val", 32)))
    rng = np.random.default_rng(arguments.seed)
    rows, before = [], None
    for stride in (32, 16, 8):
        net, velocity, start = fcn.assemble(stride, len(train.classes), TINY, rng), {}, time.perf_counter()
        left = [] if before is None else fcn.transplant(net, before)
        lr = arguments.lr if before is None else arguments.lr / 2
        for step in range(arguments.steps):
            rate = lr * (1 - step / arguments.steps) ** 0.9
            images, labels = batch(train, rng.integers(0, len(train), arguments.batch_size))
            labels[(labels == 0) & (rng.random(labels.shape) >= arguments.background)] = 255
            value = fcn.train_step(net, velocity, images, labels, rate)
            if step % 25 == 0 or step == arguments.steps - 1:
                seconds = time.perf_counter() - start
                print(f"FCN-{stride}s  step {step:4}  loss {value:.3f}  {seconds:5.0f} s", flush=True)
        rows.append((stride, evaluate(net, val), left))
        before = net
    print("\nnet      pixel acc.  mean acc.  mean IU  f.w. IU   new parameters")
    for stride, found, left in rows:
        told = "  ".join(f"{value:8.4f}" for value in found.values())
        print(f"FCN-{stride}s".ljust(8), told, "  ", ", ".join(left))


if __name__ == "__main__":
    main()
