"""Colours of both themes: readable on their background, and told apart by colour-blind readers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Colours:
    """One theme, as `#rrggbb`.

    curves: of runs laid over one another, after Okabe and Ito (2008), lightened or darkened where
    the background asks for it.
    """

    dark: bool
    background: str
    raised: str
    field: str
    border: str
    foreground: str
    muted: str
    grid: str
    accent: str
    on_accent: str
    ok: str
    warning: str
    on_warning: str
    error: str
    on_error: str
    train: str
    validation: str
    test: str
    curves: tuple[str, ...]
    band_alpha: int = 48

    def of_status(self, status: str) -> str:
        """Return the colour of a run's status."""
        return {
            "running": self.accent,
            "paused": self.warning,
            "finished": self.ok,
            "failed": self.error,
            "interrupted": self.error,
            "unreadable": self.error,
            "aborted": self.warning,
            "stopped": self.foreground,
        }.get(status, self.muted)


LIGHT = Colours(
    dark=False,
    background="#f6f7f9",
    raised="#ffffff",
    field="#ffffff",
    border="#c5cbd3",
    foreground="#1b2129",
    muted="#55606d",
    grid="#9aa3ae",
    accent="#0065a3",
    on_accent="#ffffff",
    ok="#00785a",
    warning="#9a5b00",
    on_warning="#ffffff",
    error="#b3261e",
    on_error="#ffffff",
    train="#0072b2",
    validation="#00785a",
    test="#c04a00",
    curves=("#0072b2", "#c04a00", "#00785a", "#a04a80", "#8a6d00", "#2f7fb8", "#4d4d4d"),
)

DARK = Colours(
    dark=True,
    background="#15191e",
    raised="#1d232a",
    field="#262e37",
    border="#4a5663",
    foreground="#e6eaee",
    muted="#a3aeb9",
    grid="#6b7683",
    accent="#56b4e9",
    on_accent="#0c1116",
    ok="#3fcf9f",
    warning="#f0b429",
    on_warning="#17120a",
    error="#ff7b6e",
    on_error="#1a0806",
    train="#56b4e9",
    validation="#3fcf9f",
    test="#ff9d5c",
    curves=("#56b4e9", "#ff9d5c", "#3fcf9f", "#e39ac4", "#f0e442", "#8fc8ec", "#c8ced4"),
)
