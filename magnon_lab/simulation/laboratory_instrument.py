"""The seventh instrument: the simulated laboratory itself, which a real bench lacks."""

from collections.abc import Callable, Iterable

import magnon_lab
from magnon_lab.simulation.errors import FaultError, ScpiError
from magnon_lab.simulation.fault_effects import FaultBoard
from magnon_lab.simulation.instrument import SimulatedInstrument


class LaboratoryInstrument(SimulatedInstrument):
    """Measurement number, clock, seed, pace, and the log of what would have been damaged."""

    apply_profile: Callable[[str], None]
    fault_board: FaultBoard
    """Both set by the laboratory that this instrument stands for."""

    def ask_identity(self) -> str:
        """`*IDN?`: maker, model, seed, version."""
        return f"Magnon Lab,Simulated Laboratory,{self.plant.seed},{magnon_lab.__version__}"

    def set_number(self, value: int) -> None:
        """`LAB:NUMB`: the number that keys the noise of what is measured from now on."""
        if not 0 <= value < 1 << 31:
            raise ScpiError(-222, "measurement number 0 to 2^31 - 1")
        self.plant.set_number(value)

    def get_number(self) -> str:
        """`LAB:NUMB?`: -1 while the plant counts by itself."""
        return str(-1 if self.plant.number is None else self.plant.number)

    def count_alone(self) -> None:
        """`LAB:NUMB:AUTO`: the plant counts by itself again."""
        self.plant.set_number(None)

    def set_profile(self, name: str) -> None:
        """`LAB:PROF`: put the bench into a state in which it may be found."""
        try:
            self.apply_profile(name)
        except KeyError:
            raise ScpiError(-224, f"no profile {name}") from None

    def ask_log(self, count: int | None = None) -> bytes:
        """`LAB:LOG?`: the last lines of what went over the wires, as a block of text."""
        entries = list(self.plant.wire)[-(count or len(self.plant.wire) or 1) :]
        lines = (f"{t:.6f} {role} {way} {data!r}\n" for t, role, way, data in entries)
        text = "".join(lines).encode()
        size = str(len(text)).encode()
        return b"#" + str(len(size)).encode() + size + text

    def add_fault(self, text: str) -> None:
        """`LAB:FAUL:ADD "kind=timeout,role=analyser,at=17"`: arm a fault."""
        try:
            self.fault_board.add(text)
        except FaultError as error:
            raise ScpiError(-224, str(error).replace('"', "'")) from error

    def clear_faults(self) -> None:
        """`LAB:FAUL:CLE`: disarm all faults, end those that last, forget what happened."""
        self.fault_board.clear()

    def ask_faults(self) -> str:
        """`LAB:FAUL?`: how many are armed, then each in quotes, with how often it happened."""
        return _quoted(self.fault_board.armed())

    def ask_happened(self) -> str:
        """`LAB:FAUL:LOG?`: how many times a fault happened, then each in quotes, oldest first."""
        return _quoted(self.fault_board.happened())

    def get_time(self) -> float:
        """`LAB:TIME?`."""
        return self.clock.now()

    def set_time(self, value: float) -> None:
        """`LAB:TIME`: put the clock on, so that a resumed run finds the time it stopped at."""
        if value < self.clock.now():
            raise ScpiError(-222, "laboratory time does not go back")
        self.clock.set(value)

    def wait(self, value: float) -> None:
        """`LAB:WAIT`: let time pass, at once in virtual pace; `*OPC?` answers when it has."""
        if value < 0:
            raise ScpiError(-222, "wait")
        if self.clock.virtual:
            self.clock.sleep(value)
        else:
            self.begin(value)

    def get_seed(self) -> int:
        """`LAB:SEED?`."""
        return self.plant.seed

    def set_seed(self, value: int) -> None:
        """`LAB:SEED`: key all noise anew."""
        self.plant.rekey(value)

    def get_pace(self) -> str:
        """`LAB:PACE?`."""
        return self.clock.pace.upper()

    def set_pace(self, value: str) -> None:
        """`LAB:PACE VIRTual|REAL`."""
        self.clock.set(self.clock.now(), "real" if value == "REAL" else "virtual")

    def ask_harm(self) -> str:
        """`LAB:HARM?`: how many entries, then each in quotes."""
        return _quoted(entry.text for entry in self.plant.harm)

    def clear_harm(self) -> None:
        """`LAB:HARM:CLE`."""
        self.plant.harm.clear()


def _quoted(texts: Iterable[str]) -> str:
    entries = ['"' + text.replace('"', "'") + '"' for text in texts]
    return ",".join([str(len(entries)), *entries])
