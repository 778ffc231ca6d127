"""Names, defaults and one-line descriptions of what can be chosen; opens without JAX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Setting: TypeAlias = str | int | float | bool


@dataclass(frozen=True)
class Choice:
    """One thing that can be chosen by its name, and the settings it takes with their defaults."""

    summary: str
    defaults: Mapping[str, Setting] = field(default_factory=dict)


PURPOSES = ("calibration", "training", "validation", "evaluation", "reference")
"""What a ring measurement is made for; every one is counted under one of these."""

DIRECTIONS = ("rademacher", "gaussian", "orthogonal")
TARGETS = ("all", "pre", "inputs")
READINGS = ("loss", "trace")
SPLITS = ("train", "validation", "test")

_PERTURBED: dict[str, Setting] = {
    "what": "inputs",
    "read": "loss",
    "directions": "rademacher",
    "count": 1,
    "sides": 2,
    "size": 0.1,
    "size_decay": 0.0,
}

ESTIMATORS: dict[str, Choice] = {
    "pgt": Choice(
        "perturbative gradient training: all parameters at random, forward passes only",
        {**_PERTURBED, "what": "all", "post_count": 0},
    ),
    "spsa": Choice(
        "simultaneous perturbation with Spall's shrinking size; pair it with the optimiser 'spall'",
        {**_PERTURBED, "what": "all", "size_decay": 0.101, "post_count": 0},
    ),
    "pgt_pre": Choice(
        "the pre-layer's parameters at random; exact gradient in the post-layer",
        {**_PERTURBED, "what": "pre"},
    ),
    "input": Choice(
        "the ring's inputs, each sample its own direction, one scalar loss read; "
        "exact gradients in the digital blocks",
        _PERTURBED,
    ),
    "trace": Choice(
        "as 'input', but the whole change of the trace is read; three orthogonal directions give "
        "the whole slope of three knobs",
        {**_PERTURBED, "read": "trace", "directions": "orthogonal"},
    ),
    "twin": Choice(
        "forward through the ring, backward through a twin fitted to all measurements so far; "
        "wrong where the twin is",
        {"capacity": 2048},
    ),
    "twin_pgt": Choice(
        "the twin's gradient plus the measured estimate of what it is wrong by; unbiased for any "
        "twin",
        {**_PERTURBED, "read": "trace", "capacity": 2048},
    ),
    "exact": Choice(
        "backpropagation through a differentiable ring model, in silico only: the upper bound", {}
    ),
}

ROUNDS: dict[str, Choice] = {
    "twin_first": Choice(
        "a few hundred measurements tell a twin of the ring, the network is trained on it, then "
        "measured where it goes, and both are refitted; the fewest measurements by far",
        {"design": 0.4, "rounds": 3, "each": 0.1, "again": 0.4, "enough": 0.5},
    ),
}
"""What learns in rounds: measure, then train on all that was measured so far."""

POPULATIONS: dict[str, Choice] = {
    "cma": Choice(
        "all parameters by CMA-ES, a population ranked by measured losses; for few parameters",
        {"count": 24, "size": 0.1},
    ),
}
"""What moves a population of parameter sets, without any gradient."""

OPTIMISERS: dict[str, Choice] = {
    "adam": Choice("Adam", {"b1": 0.9, "b2": 0.999}),
    "adamw": Choice(
        "Adam with decoupled weight decay", {"b1": 0.9, "b2": 0.999, "weight_decay": 1e-3}
    ),
    "sgd": Choice("gradient descent with momentum", {"momentum": 0.0}),
    "rmsprop": Choice("RMSProp", {"decay": 0.9}),
    "spall": Choice(
        "gradient descent with Spall's gain sequence a/(k + 1 + stability)^exponent",
        {"stability": 20.0, "exponent": 0.602},
    ),
}

READOUTS: dict[str, Choice] = {
    "ridge": Choice("baseline: a closed-form readout on a random pre-layer that stays as it is"),
    "frozen": Choice(
        "baseline: the post-layer trained by its gradient on a random pre-layer that stays as it is"
    ),
}
"""What learns from passing the data through the ring once; no gradient goes through it."""

TASKS: dict[str, Choice] = {
    "digits": Choice("scikit-learn's 1797 handwritten digits, 8 x 8 pixels, 10 classes"),
    "digit_rows": Choice("the same, each image as 8 tokens of 8 pixels"),
    "spirals": Choice("two interleaved spirals in the plane, 2 classes"),
    "parity": Choice(
        "whether 3 noisy bits hold an odd number of ones, 2 classes; parity2 to parity8 for other "
        "numbers of bits"
    ),
    "wine": Choice("scikit-learn's 178 Italian wines, 13 chemical figures, 3 cultivars"),
    "breast_cancer": Choice("scikit-learn's 569 breast tumours, 30 figures of nuclei, 2 classes"),
}

NETWORKS: dict[str, Choice] = {
    "dense": Choice("dense pre- and post-layer, tanh between layers where hidden layers are asked"),
    "two_pass": Choice("three dense blocks: each sample goes through the ring twice"),
    "transformer": Choice(
        "one layer of a transformer whose feed-forward part is the ring: each token of a sample "
        "goes through it; its skip path hands the tokens past the ring too"
    ),
}


def ring_passes(network: str) -> int:
    """Return how often a sample goes through the ring."""
    return 2 if network == "two_pass" else 1


def rows_a_pass(network: str, shots: int, shape: tuple[int, ...]) -> int:
    """Return the ring measurements of one pass of a sample of `shape`.

    That is (tokens, features), or (features,), each of which is a token to a transformer.
    """
    return shots * shape[0] if network == "transformer" else shots


PARITY_BITS = 3
MOST_PARITY_BITS = 8


def parity_bits(task: str) -> int | None:
    """Return the number of bits of a task called `parity` or `parity2` to `parity8`, else None."""
    bits = task.removeprefix("parity")
    if task == "parity":
        return PARITY_BITS
    if bits == task or not bits.isdigit() or not 2 <= int(bits) <= MOST_PARITY_BITS:
        return None
    return int(bits)


def check_settings(kind: str, name: str, choices: Mapping[str, Choice], settings: object) -> Choice:
    """Return the choice called `name`; refuse an unknown name or a setting that it does not take.

    Raises `ValueError` that names what was given and what is allowed.
    """
    if name not in choices:
        raise ValueError(f"{kind} {name!r} is not known; known are {', '.join(choices)}")
    choice = choices[name]
    unknown = sorted(set(settings) - set(choice.defaults)) if isinstance(settings, Mapping) else []
    if unknown:
        raise ValueError(
            f"{kind} {name!r} takes no setting {unknown[0]!r}; "
            f"it takes {', '.join(choice.defaults) or 'none'}"
        )
    return choice
