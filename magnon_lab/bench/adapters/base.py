"""What all role adapters share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from magnon_lab.bench.errors import InstrumentError, ReadBackError
from magnon_lab.bench.roles import Reference
from magnon_lab.bench.schema import BenchModel, Role
from magnon_lab.bench.session import GARBLED, Session

QUEUE_LENGTH = 64
"""More than any error queue holds; one that never ends would hang PyMeasure's `check_errors`."""

POWER_ON = 128
"""Bit of the event status register that tells that power came back (IEEE 488.2)."""

ASKED = 5
"""So often an answer is asked for until two in a row agree."""

Config = TypeVar("Config", bound=Role)
Answer = TypeVar("Answer", float, bool, str)


class Adapter(Generic[Config]):
    """One role played by a family of drivers, told by the attributes that it needs."""

    needs: ClassVar[tuple[str, ...]] = ()
    event_status: ClassVar[bool] = False
    """Whether it has the event status register of IEEE 488.2, and a queue of errors."""

    def __init__(self, session: Session, model: BenchModel) -> None:
        self.session = session
        self.model = model
        self.config: Config = session.config  # type: ignore[assignment]  # by the role's schema

    @classmethod
    def missing(cls, driver: type[Any]) -> list[str]:
        """Return the attributes that a driver would have to have."""
        return [name for name in cls.needs if not hasattr(driver, name)]

    def identity(self) -> str:
        """Return who answers. Raises `InstrumentError` if the bench file expects another."""
        with self.session as instrument:
            text = str(instrument.id).strip()
        if self.config.identity and self.config.identity not in text:
            raise InstrumentError(
                f"{self.session.told()} is {text!r}; roles.{self.session.role}.identity expects "
                f"{self.config.identity!r}"
            )
        return text

    def restarted(self) -> bool:
        """Return whether it was switched on since this was asked last, as far as it can tell."""
        if not self.event_status:
            return False
        with self.session as instrument:
            return bool(int(float(instrument.ask("*ESR?"))) & POWER_ON)

    def reference(self) -> Reference | None:
        """Return which 10 MHz reference it runs on, None if it cannot tell."""
        return None

    def clear(self) -> None:
        """Take what is left of errors that are known already."""
        if self.event_status:
            with self.session as instrument:
                read_errors(instrument)

    def surely(
        self,
        read: Callable[[], Answer],
        expected: Answer | None = None,
        within: float = 0.0,
    ) -> Answer:
        """Return what `read` says twice in a row, to be called inside `with self.session`.

        One answer alone may belong to another question: it is taken only if it is the one
        `expected`. Numbers agree `within` so much. Where answers did not agree the session is
        opened anew afterwards, so that nothing late is left in it. Raises ConnectionError if no two
        agree, or what reading raised last.
        """
        last: Answer | None = None
        wrong: Exception = ConnectionError(f"no two of {ASKED} answers in a row agree")
        for count in range(ASKED):
            try:
                answer = read()
            except (ConnectionError, *GARBLED) as error:
                if isinstance(error, ConnectionError) and type(error) is not ConnectionError:
                    raise  # a connection that is gone
                self.session.doubt()
                wrong = error
                continue
            if last is not None and _agree(last, answer, within):
                return answer
            if count == 0 and expected is not None and _agree(expected, answer, within):
                return answer
            if last is not None:
                self.session.doubt()
            last = answer
        raise wrong

    def tolerance(self, quantity: str, own: float) -> float:
        """Return how far a read-back may be off: the bench file's word, else the adapter's own."""
        told = getattr(self.model.tolerance, quantity)
        return own if told is None else float(told)

    def check_errors(self) -> None:
        """Ask for the errors that no one else fetches. Raises `InstrumentError` naming them."""
        with self.session as instrument:
            errors = read_errors(instrument)
        self.refuse(errors)

    def refuse(self, errors: list[tuple[int, str]]) -> None:
        """Raise `InstrumentError` for errors that the instrument reported."""
        if errors:
            text = "; ".join(f"{code}, {message}" for code, message in errors)
            raise InstrumentError(f"{self.session.told()} reports: {text}")

    def verify(self, what: str, asked: float, found: float, tolerance: float, unit: str) -> None:
        """Raise `ReadBackError` if a read-back is not what was asked."""
        if not abs(found - asked) <= tolerance:
            raise ReadBackError(
                f"{self.session.told()}: {what} was set to {f'{asked:.12g} {unit}'.rstrip()} but "
                f"reads back as {f'{found:.12g} {unit}'.rstrip()}"
            )


def _agree(one: float | str, other: float | str, within: float) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return abs(one - other) <= within


def read_errors(instrument: Any) -> list[tuple[int, str]]:
    """Return the entries of an instrument's error queue, oldest first."""
    errors: list[tuple[int, str]] = []
    for _ in range(QUEUE_LENGTH):
        code, text = instrument.next_error
        if int(code) == 0:
            return errors
        errors.append((int(code), str(text).strip().strip('"')))
    raise ConnectionError(f"the error queue does not end; its last entry: {errors[-1]}")


def reference_of(source: Any, unlocked: Any) -> Reference:
    """Return a reference told by `ROSC:SOUR?` and by whether the instrument is not locked to it."""
    return Reference(external=str(source).strip().upper() != "INT", locked=not unlocked)


def number(value: Any, what: str) -> float:
    """Return a reply that must be a number: PyMeasure hands text on as it came."""
    if isinstance(value, (int, float)) and value == value:
        return float(value)
    raise ConnectionError(f"{what} reads {value!r}, which is no number")


def switched(value: Any, what: str) -> bool:
    """Return a reply that must be on or off; some drivers hand on the text, 'OFF' too."""
    text = str(value).strip().upper()
    if text in ("1", "1.0", "TRUE", "ON"):
        return True
    if text in ("0", "0.0", "FALSE", "OFF"):
        return False
    raise ConnectionError(f"{what} reads {value!r}, neither on nor off")
