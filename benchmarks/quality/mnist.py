"""Handwritten digits: 8,000 pictures of MNIST, 1,000 of them to test on, learned from nothing.

    python benchmarks/quality/mnist.py --data DATA

DATA holds ``images/mnist8k.npz``. Goal: accuracy of 98.0% after 10 minutes on two cores.
"""

from __future__ import annotations

from common import gate
from pictures import measure

if __name__ == "__main__":
    import numpy as np

    gate_ = gate("mnist", __doc__, budget="10m")
    with np.load(gate_.data("images", "mnist8k.npz")) as archive:
        pictures, labels = archive["x"], archive["y"]
    measure(gate_, pictures, labels, test=1000, goal=0.98)
