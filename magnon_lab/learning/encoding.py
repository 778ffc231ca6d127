"""Between a network's numbers on -1..1 and the settings of instruments, steps included."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from magnon_lab.learning.reservoir import Floats, Knob


class Encoding:
    """Knobs on -1..1, with the grids that their instruments can make.

    Where a knob has a step, its grid is the whole multiples of that step inside the knob's range.
    Settings are put on the grid by a random *dither* that is shared by the partners of a
    perturbation: a number between two grid points goes to the upper one with the probability that
    keeps its mean. Averaged over dithers a stepped response is then its linear interpolation
    between grid points, which has a slope everywhere.
    """

    def __init__(self, knobs: tuple[Knob, ...]) -> None:
        if not knobs:
            raise ValueError("a network needs at least one knob")
        self.knobs = knobs
        self._low = np.array([knob.low for knob in knobs])
        self._span = np.array([knob.high - knob.low for knob in knobs])
        self._step = np.array([knob.step for knob in knobs])
        grids = [knob.grid() if knob.step else np.array([knob.low, knob.high]) for knob in knobs]
        self._first = np.array([grid[0] for grid in grids])
        self._last = np.array([grid[-1] for grid in grids])
        self.stepped = jnp.asarray(self._step > 0.0)
        self.spacing = jnp.asarray(2.0 * self._step / self._span, jnp.float32)
        self.lowest = jnp.asarray(self._to_unit(self._first), jnp.float32)
        self.highest = jnp.asarray(self._to_unit(self._last), jnp.float32)

    def _to_unit(self, settings: Floats) -> Floats:
        unit: Floats = 2.0 * (settings - self._low) / self._span - 1.0
        return unit

    def settings(self, unit: ArrayLike) -> Floats:
        """Return physical settings (n, knobs) of unit numbers (n, knobs), put on the grids."""
        physical = self._low + (np.asarray(unit, np.float64) + 1.0) / 2.0 * self._span
        grid = self._step > 0.0
        step = np.where(grid, self._step, 1.0)
        physical = np.where(grid, np.round(physical / step) * step, physical)
        clipped: Floats = np.clip(physical, self._first, self._last)
        return clipped

    def unit(self, settings: Floats) -> NDArray[np.float32]:
        """Return unit numbers (n, knobs) float32 of physical settings (n, knobs)."""
        return self._to_unit(np.asarray(settings, np.float64)).astype(np.float32)

    def physical(self, unit: jax.Array) -> jax.Array:
        """Return physical settings of unit numbers inside JAX, for a differentiable model."""
        low = jnp.asarray(self._low, jnp.float32)
        return low + (unit + 1.0) / 2.0 * jnp.asarray(self._span, jnp.float32)

    def clip(self, raw: jax.Array) -> jax.Array:
        """Clip to what the instruments can make; the gradient passes straight through."""
        clipped = jnp.clip(raw, self.lowest, self.highest)
        return raw + jax.lax.stop_gradient(clipped - raw)

    @staticmethod
    def overshoot(raw: jax.Array) -> jax.Array:
        """Return the mean square by which raw numbers (..., shots, knobs) leave -1..1."""
        return jnp.mean(jnp.square(jax.nn.relu(jnp.abs(raw) - 1.0)), axis=(-2, -1))

    def dither(self, unit: jax.Array, uniform: jax.Array) -> jax.Array:
        """Put stepped knobs on their grids, up or down by `uniform` in 0..1.

        Two numbers that lie a whole number of steps apart keep that distance under the same
        `uniform`; the mean over `uniform` is the number itself.
        """
        spacing = jnp.where(self.stepped, self.spacing, 1.0)
        position = (unit - self.lowest) / spacing
        # The last bits of float32 must not carry a number that stands on a grid point elsewhere.
        level = jnp.floor(position + 5e-4 + uniform * (1.0 - 1e-3))
        return jnp.where(
            self.stepped, jnp.clip(self.lowest + level * spacing, self.lowest, self.highest), unit
        )

    def moves(self, wanted: jax.Array, key: jax.Array, *, whole: bool) -> jax.Array:
        """Return moves (..., knobs) that the instruments can make, close to the wanted ones.

        On a stepped knob a move is a whole number of steps: at least one with `whole`, otherwise
        rounded by a dither that keeps the mean. No move is longer than the knob's range.
        """
        spacing = jnp.where(self.stepped, self.spacing, 1.0)
        steps = jnp.abs(wanted) / spacing
        if whole:
            steps = jnp.where(steps > 0.0, jnp.maximum(1.0, jnp.round(steps)), 0.0)
        else:
            steps = jnp.floor(steps + jax.random.uniform(key, steps.shape))
        room = self.highest - self.lowest
        steps = jnp.minimum(steps, jnp.round(room / spacing))
        length = jnp.where(self.stepped, steps * spacing, jnp.minimum(jnp.abs(wanted), room))
        return jnp.sign(wanted) * length

    def around(self, own: jax.Array, moves: jax.Array, uniform: jax.Array, sides: int) -> jax.Array:
        """Return the copies (..., copies, knobs) of a perturbation, dithered alike.

        own (..., copies, knobs): where each copy stands before it is moved; moves
        (..., directions, knobs) as `moves` returns them; uniform (..., knobs). Two-sided: for each
        direction half a move above, then half a move below; one-sided: the base, then each move.
        Where the range would cut a move off, copies are shifted inwards.
        """
        if sides == 2:
            signed = jnp.stack((moves, -moves), axis=-2) / 2.0
            signed = signed.reshape(*moves.shape[:-2], -1, moves.shape[-1])
            reach = jnp.abs(signed)
        else:
            signed = jnp.concatenate((jnp.zeros_like(moves[..., :1, :]), moves), axis=-2)
            reach = jnp.max(jnp.abs(moves), axis=-2, keepdims=True)
            reach = jnp.minimum(reach, (self.highest - self.lowest) / 2.0)
        centre = jnp.clip(own, self.lowest + reach, self.highest - reach)
        return self.dither(centre + signed, uniform[..., None, :])
