"""Square roots of matrices by products alone: they have gradients, and every runtime has them."""

from __future__ import annotations

from typing import Any


def square_root(matrix: Any, eye: Any, steps: int) -> tuple[Any, Any]:
    """Return the root, and its inverse, of symmetric matrices with eigenvalues in (0, 1].

    Newton and Schulz's coupled iteration (Higham, Functions of Matrices, 2008, eq. 6.35).

    Args:
        matrix: a tensor (..., k, k).
        eye: (k, k), of the same dtype.
        steps: at least 1; so many as the smallest eigenvalue takes to grow to 1 by 2.25 a step,
            and four more.
    """
    from keras import ops

    inverse = ops.subtract(1.5 * eye, 0.5 * matrix)
    root = ops.matmul(matrix, inverse)
    for _ in range(steps - 1):
        product = ops.matmul(inverse, root)
        root, inverse = (
            1.5 * root - 0.5 * ops.matmul(root, product),
            1.5 * inverse - 0.5 * ops.matmul(product, inverse),
        )
    return root, inverse
