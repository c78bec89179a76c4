"""scikit-learn's digits: 1,797 pictures of 8 x 8, a fifth of them to test on, from nothing.

    python benchmarks/quality/digits.py

Goal: accuracy of 98% after 2 minutes on two cores.
"""

from __future__ import annotations

from common import gate
from pictures import measure

if __name__ == "__main__":
    from sklearn.datasets import load_digits

    gate_ = gate("digits", __doc__, budget="2m")
    digits = load_digits()
    measure(gate_, digits.images, digits.target, test=len(digits.target) // 5, goal=0.98)
