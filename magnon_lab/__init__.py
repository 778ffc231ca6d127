"""Instrument control for learning with a magnonic auto-oscillation ring."""

__version__ = "0.1.0"
