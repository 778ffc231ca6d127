"""Optax optimisers by name, with the learning rate where a report can read it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from magnon_lab.learning.names import OPTIMISERS, Setting, check_settings


def make_optimiser(
    name: str, learning_rate: float, *, decay_steps: int = 0, **settings: Setting
) -> optax.GradientTransformation:
    """Return the optimiser `name`; with `decay_steps` the rate falls as a cosine to 1 % by then.

    Raises `ValueError` for an unknown name or setting, and for a rate that is not positive.
    """
    choice = check_settings("optimiser", name, OPTIMISERS, settings)
    if not 0.0 < learning_rate < float("inf"):
        raise ValueError(f"learning_rate: {learning_rate} is not a positive number")
    if decay_steps < 0:
        raise ValueError(f"decay_steps: {decay_steps} is negative")
    values = {**choice.defaults, **settings}
    rate: float | optax.Schedule = learning_rate
    if name == "spall":
        rate = _spall(learning_rate, float(values["stability"]), float(values["exponent"]))
        values = {}
    elif decay_steps:
        rate = optax.cosine_decay_schedule(learning_rate, decay_steps, alpha=0.01)
    factory = {
        "adam": optax.adam,
        "adamw": optax.adamw,
        "sgd": optax.sgd,
        "rmsprop": optax.rmsprop,
        "spall": optax.sgd,
    }[name]
    transformation: optax.GradientTransformation = optax.inject_hyperparams(factory)(
        learning_rate=rate, **values
    )
    return transformation


def _spall(first: float, stability: float, exponent: float) -> optax.Schedule:
    """Spall's gains (IEEE Trans. Aerosp. Electron. Syst. 34, 817 (1998)), `first` at k = 0."""

    def rate(step: jax.typing.ArrayLike) -> jax.Array:
        return first * ((1.0 + stability) / (jnp.asarray(step) + 1.0 + stability)) ** exponent

    return rate


def learning_rate_of(state: optax.OptState) -> float:
    """Return the learning rate that an optimiser's state tells, NaN where it tells none."""
    hyperparameters = getattr(state, "hyperparams", {})
    return float(hyperparameters.get("learning_rate", float("nan")))
