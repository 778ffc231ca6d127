"""Training of networks with a measured reservoir in their middle: pure functions over one state.

Names and defaults stand in `magnon_lab.learning.names`, which opens without JAX; everything else is
imported from its own module, so that a window reads the names in a blink.
"""
