"""Errors of the simulated instruments, and of the simulation itself."""

SCPI_TEXTS = {
    0: "No error",
    -100: "Command error",
    -101: "Invalid character",
    -102: "Syntax error",
    -103: "Invalid separator",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -112: "Program mnemonic too long",
    -113: "Undefined header",
    -114: "Header suffix out of range",
    -120: "Numeric data error",
    -121: "Invalid character in number",
    -123: "Exponent too large",
    -131: "Invalid suffix",
    -138: "Suffix not allowed",
    -141: "Invalid character data",
    -151: "Invalid string data",
    -161: "Invalid block data",
    -211: "Trigger ignored",
    -213: "Init ignored",
    -221: "Settings conflict",
    -222: "Data out of range",
    -223: "Too much data",
    -224: "Illegal parameter value",
    -230: "Data corrupt or stale",
    -240: "Hardware error",
    -241: "Hardware missing",
    -310: "System error",
    -350: "Queue overflow",
    -410: "Query INTERRUPTED",
    -420: "Query UNTERMINATED",
    -430: "Query DEADLOCKED",
    -440: "Query UNTERMINATED after indefinite response",
}
"""Standard error texts (SCPI-99, volume 2, chapter 21)."""


class DefinitionError(ValueError):
    """A definition file of simulated instruments that cannot be used; the text names the place."""


class FaultError(ValueError):
    """A fault that cannot be armed; the text names key, value and what is allowed."""


class SimulationError(RuntimeError):
    """A fault inside the simulation, which must never pass for an instrument's silence."""


class ScpiError(Exception):
    """An error that an instrument puts into its error queue.

    `code` is the standard's number, `detail` what the instrument appends after the semicolon.
    """

    def __init__(self, code: int, detail: str = "") -> None:
        self.code = code
        self.detail = detail
        super().__init__(self.entry())

    def text(self) -> str:
        """Return the error's text with its detail, as it stands between the quotes."""
        text = SCPI_TEXTS.get(self.code, "Device-specific error")
        return f"{text};{self.detail}" if self.detail else text

    def entry(self) -> str:
        """Return number and quoted text, as `SYST:ERR?` sends them."""
        return f'{self.code:d},"{self.text()}"'

    def event_bit(self) -> int:
        """Return the weight of the standard event status bit that this error sets."""
        if -200 < self.code <= -100:
            return 32
        if -300 < self.code <= -200:
            return 16
        if -500 < self.code <= -400:
            return 4
        return 8
