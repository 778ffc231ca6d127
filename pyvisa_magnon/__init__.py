"""PyVISA finds the backend `@magnon` by this module's name."""

from magnon_lab.simulation.backend import MagnonVisaLibrary

WRAPPER_CLASS = MagnonVisaLibrary
