"""What passes between a client and a simulated instrument: messages under way and their replies."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from magnon_lab.simulation.clock import Hold
from magnon_lab.simulation.faults import Fault

Reply = str | bytes | None
Step = Callable[[], Reply]


class Client(Protocol):
    """Who sent a message and gets its reply."""

    def deliver(
        self, data: bytes, ready_s: float, whole: bool = True, hold: Hold | None = None
    ) -> None:
        """Take a reply that arrives at a laboratory time, and not before `hold` is over.

        What is not `whole` lacks its end, and the rest will never come.
        """

    def cut(self) -> None:
        """Lose the connection with all that was still to come."""


class Program(NamedTuple):
    """A parsed message: its steps, and whether it will be answered."""

    steps: tuple[Step, ...]
    asks: bool


@dataclass(slots=True)
class Job:
    """A message under way: how far it came, what it has answered so far, what befell it."""

    client: Client
    message: str
    program: Program
    index: int = 0
    replies: list[str | bytes] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
