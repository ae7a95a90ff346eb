"""The logarithm of a covariance without its eigenvalues: matrix products, which every runtime has.

Inverse scaling and squaring (Higham, Functions of Matrices, 2008, ch. 11): after some square roots
a matrix is near the identity, where a short series is enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mineralsweep.models.roots import square_root

ROOTS = 5
"""Square roots before the series; each one doubles what rounding costs."""
SERIES = (1.0, -1 / 6, 3 / 40, -5 / 112, 35 / 1152, -63 / 2816)
"""Of arsinh x = x - x^3 / 6 + ...: how much each odd power counts."""
SMALLEST = 1e-6
"""What the smallest eigenvalue is raised to at least, in parts of the matrix's norm.

Of real photographs it is above 1e-5. Below, rounding alone could make it negative.
"""
CLOSE = 1e-7
"""By how much a root may be wrong: so much float32 can tell."""


def logarithm(covariances: Any, ridge: float) -> Any:
    """Return the logarithm of covariances with a ridge, as `LogCovariance.of_covariances` has it.

    With R = A^(1/32), log A = 32 log R = 32 arsinh((R - 1/R) / 2); Newton's iteration gives both R
    and 1/R.

    Args:
        covariances: a float32 tensor (..., k, k).
        ridge: added to each variance.

    Returns:
        (..., k, k), symmetric but for rounding.
    """
    from keras import ops

    eye = np.eye(covariances.shape[-1], dtype=np.float32)
    squares = ops.sum(ops.square(covariances), axis=(-2, -1), keepdims=True)
    ridge = ops.maximum(SMALLEST * ops.sqrt(squares), ridge)
    matrix = covariances + ridge * eye
    norm = ops.sqrt(ops.sum(ops.square(matrix), axis=(-2, -1), keepdims=True))
    root, inverse = matrix / norm, None
    for taken in range(ROOTS):
        root, inverse = square_root(root, eye, steps(SMALLEST ** (0.5**taken)))
    near = 0.5 * (root - inverse)
    square = ops.matmul(near, near)
    total: Any = SERIES[-1] * eye
    for share in SERIES[-2::-1]:
        total = ops.matmul(square, total) + share * eye
    return 2.0**ROOTS * ops.matmul(near, total) + ops.log(norm) * eye


def steps(smallest: float) -> int:
    """Return the steps that Newton's iteration takes from an eigenvalue in (0, 1] to 1."""
    taken = 0
    while 1.0 - smallest > CLOSE:
        smallest *= (3.0 - smallest) ** 2 / 4.0
        taken += 1
    return taken
