"""Training on many processes, over MPI: the only room that imports mpi4py.

Every process has the whole net and its share of each batch's pictures. What is a sum over pictures, gradients above
all, is summed over the processes; so all of them make the same update, and have the same net again.

group.py      a `Group` of processes: its shares, sums and agreements. A process alone is a group of one
gradients.py  sums of gradients, while the backward pass goes on
launch.py     `joined`: how a process finds its group
failures.py   what happens to the others when a process fails, is killed, or falls silent
"""

from minifcn.distributed.group import ALONE, Group
from minifcn.distributed.launch import joined

__all__ = ["ALONE", "Group", "joined"]
