"""minifcn side by side with PyTorch, and with DeZero as another engine from scratch: `python -m benchmarks`.

What is compared is a `case` (cases.py): one operation at the size that it has in FCN-8s or FCN-GoogLeNet at 500x500, or
a whole net, forward or a training step. How:

1. Every opponent works in a process of its own (opponents.py, worker.py), with the same number of threads.
2. All get the same numbers (draw.py): the same pictures, labels and weights. Before any clock runs, their outputs,
   losses and gradients are compared; a case whose opponents disagree is an error, not a row (duel.py).
3. Then they take turns, A B A B ..., so that whatever slows the machine down slows all of them. A row has the median
   seconds of each, and the median of the ratios turn by turn, with the least and the largest of them (figures.py).
4. Memory is the peak of a fresh process that does nothing else (memory.py).
5. The yardstick is the machine's own rate of matrix multiplication: the share of it that an opponent reaches, counted
   in im2col's multiply-accumulates, so that an algorithm which needs fewer of them may reach more than all of it.

A ratio is minifcn's seconds (or bytes) over the other's: below 1, minifcn is faster (or smaller).
"""
