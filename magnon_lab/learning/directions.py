"""Random directions of a perturbation; all have the identity as their second moment."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from magnon_lab.learning.names import DIRECTIONS


def draw(kind: str, key: jax.Array, count: int, size: int) -> jax.Array:
    """Return `count` directions (count, size).

    `rademacher`: signs; `gaussian`: normal numbers; `orthogonal`: distinct rows of a Hadamard
    matrix with its columns shuffled and signed, so that entries are +-1 and, over a full set of
    rows, columns are orthogonal; more rows than the matrix has come from further matrices.
    """
    if kind == "rademacher":
        return jax.random.rademacher(key, (count, size), jnp.float32)
    if kind == "gaussian":
        return jax.random.normal(key, (count, size))
    if kind == "orthogonal":
        order = _order(size)
        blocks = -(-count // order)
        rows = jax.vmap(lambda one: _hadamard_rows(one, order, size))(jax.random.split(key, blocks))
        return rows.reshape(-1, size)[:count]
    raise ValueError(f"directions {kind!r} is not known; known are {', '.join(DIRECTIONS)}")


def _order(size: int) -> int:
    """Return the order of the smallest Sylvester matrix with `size` columns."""
    return 1 << (size - 1).bit_length()


def _hadamard_rows(key: jax.Array, order: int, size: int) -> jax.Array:
    """Return all rows in random order, restricted to `size` random columns with random signs."""
    row_key, column_key, sign_key = jax.random.split(key, 3)
    rows = jax.random.permutation(row_key, order)
    columns = jax.random.permutation(column_key, order)[:size]
    # Sylvester's matrix: entry (i, j) is -1 where i & j has an odd number of bits.
    odd = jax.lax.population_count(rows[:, None] & columns) % 2
    signs = jax.random.rademacher(sign_key, (size,), jnp.float32)
    entries: jax.Array = jnp.where(odd, -signs, signs)
    return entries


def draw_each(
    kind: str, key: jax.Array, leading: tuple[int, ...], count: int, size: int
) -> jax.Array:
    """Return directions (*leading, count, size), drawn afresh for each leading entry."""
    if kind != "orthogonal":  # independent entries need no keys of their own
        return draw(kind, key, count * _product(leading), size).reshape(*leading, count, size)
    keys = jax.random.split(key, _product(leading))
    drawn = jax.vmap(lambda one: draw(kind, one, count, size))(keys)
    return drawn.reshape(*leading, count, size)


def _product(leading: tuple[int, ...]) -> int:
    product = 1
    for extent in leading:
        product *= extent
    return product


def slopes(kind: str, displacements: jax.Array, differences: jax.Array) -> jax.Array:
    """Return the slopes (..., inputs) that realised displacements tell of measured differences.

    displacements (..., directions, inputs), differences (..., directions) along directions of
    `kind`. With a full set of orthogonal directions, or all but one: least squares. Else, for each
    input, `sum_d y_d D_dk / sum_d D_dk^2`, which is unbiased since the other inputs' displacements
    have independent signs; for normal directions, whose squares may be tiny, the denominator is
    the mean over everything but the input. An input that did not move has slope 0.
    """
    count, inputs = displacements.shape[-2:]
    weighted = jnp.einsum("...dk,...d->...k", displacements, differences)
    square = jnp.sum(jnp.square(displacements), axis=-2)
    typical = jnp.mean(square, axis=tuple(range(square.ndim - 1)))
    if kind == "gaussian":
        square = jnp.broadcast_to(typical, square.shape)
    # A displacement far below the batch's typical one is a read-back error, not a lever arm.
    floor = jnp.maximum(1e-3 * typical, 1e-12)
    if kind == "orthogonal" and count >= max(inputs, _order(inputs) - 1):
        gram = jnp.einsum("...dk,...dl->...kl", displacements, displacements)
        gram = gram + jnp.eye(inputs) * 0.01 * floor
        solved: jax.Array = jnp.linalg.solve(gram, weighted[..., None])[..., 0]
        return solved
    return weighted / jnp.maximum(square, floor)
