#
# This file is written to be made part of the PyMeasure package.
#
# Copyright (c) 2026 Magnon Lab Developers
#
# Permission is hereby granted, free of charge, to any person obtaining a copy
# of this software and associated documentation files (the "Software"), to deal
# in the Software without restriction, including without limitation the rights
# to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
# copies of the Software, and to permit persons to whom the Software is
# furnished to do so, subject to the following conditions:
#
# The above copyright notice and this permission notice shall be included in
# all copies or substantial portions of the Software.
#
# THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
# IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
# FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
# AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
# LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
# OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN
# THE SOFTWARE.
#

"""The simulated laboratory itself, an instrument that a real bench lacks."""

import csv
import math
from typing import Any

from pymeasure.instruments import Instrument

from drivers import validators
from drivers.scpi import CheckedSCPIMixin, parse_error


def _words(entry: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in entry.split(",") if "=" in word)


class SimulatedLaboratory(CheckedSCPIMixin, Instrument):
    """Control a simulated laboratory: measurement number, clock, faults, and what was damaged.

    It has `now` and `sleep`, so that it can serve as the clock of drivers and benches.

    .. code-block:: python

        laboratory = SimulatedLaboratory("TCPIP::sim-laboratory::hislip0::INSTR",
                                         visa_library="sim_instruments.yaml@magnon")
        laboratory.number = 17      # keys the noise of the next measurement
        laboratory.sleep(0.5)       # laboratory time passes; at once if its pace is virtual
        print(laboratory.now(), laboratory.harm)
    """

    def __init__(
        self, adapter: Any, name: str = "Magnon Lab Simulated Laboratory", **kwargs: Any
    ) -> None:
        super().__init__(adapter, name, **kwargs)

    number = Instrument.control(
        "LAB:NUMB?",
        "LAB:NUMB %d",
        """Control the number of the measurement, which keys its noise (int strictly from 0 to
        2^31 - 1); -1 while the laboratory counts by itself.""",
        **validators.count("measurement number", 0, 2**31 - 1),
    )
    time = Instrument.control(
        "LAB:TIME?",
        "LAB:TIME %.9f",
        """Control the laboratory's clock in s (float strictly from 0 to 1e9 s); it cannot be put
        back. :meth:`sleep` lets time pass.""",
        **validators.real("laboratory time", "s", 0, 1e9),
    )
    seed = Instrument.control(
        "LAB:SEED?",
        "LAB:SEED %d",
        """Control the seed of all that is random in the laboratory (int strictly from 0 to
        2^31 - 1).""",
        **validators.count("seed", 0, 2**31 - 1),
    )
    pace = Instrument.control(
        "LAB:PACE?",
        "LAB:PACE %s",
        """Control whether waiting costs real time, a str from 'virtual' and 'real'.""",
        **validators.choice("pace", {"virtual": "VIRTUAL", "real": "REAL"}),
    )

    def count_alone(self) -> None:
        """Let the laboratory count measurements by itself, as it does at first."""
        self.write("LAB:NUMB:AUTO")

    @property
    def harm(self) -> list[str]:
        """Get what would have damaged a real laboratory since it was opened (list of str)."""
        return self._listed("LAB:HARM?")

    def _listed(self, query: str) -> list[str]:
        """Return the quoted entries of a reply that begins with their number."""
        reply = self.ask(query).strip()
        announced, *entries = next(csv.reader([reply], skipinitialspace=True)) or [reply]
        named = [entry for entry in entries if entry]
        if validators.whole(announced) != len(named):
            raise ConnectionError(
                f"{self.name}: {query} announced {announced} entries but named {len(named)}"
            )
        return named

    def clear_harm(self) -> None:
        """Forget what would have been damaged."""
        self.write("LAB:HARM:CLE")

    def add_fault(self, kind: str, role: str, **keys: Any) -> None:
        """Let something go wrong with an instrument of the laboratory.

        :param kind: What happens, for example ``"timeout"``, ``"cut"`` or ``"trip"``.
        :param role: To which instrument, for example ``"analyser"``.
        :param keys: When (``at``, ``probability``, ``count``, ``seed``, ``measurement``,
            ``command``) and what further keys the kind has (``duration_s``, ...); all kinds and
            keys stand at the head of ``sim_instruments.yaml``.
        :raises ValueError: in the laboratory's words, if it does not know such a fault.
        """
        text = ",".join(
            f"{key}={value}" for key, value in ({"kind": kind, "role": role} | keys).items()
        )
        if not text.isascii() or not text.isprintable() or '"' in text:
            raise ValueError(f"{self.name}: no fault can be worded as {text!r}")
        (reply,) = self.ask_joined("*CLS", f':LAB:FAUL:ADD "{text}"', ":SYST:ERR?", replies=1)
        code, message = parse_error(reply)
        if code != 0:
            raise ValueError(
                f"{self.name} refuses {text!r}: {message.partition(';')[2] or message}"
            )

    def clear_faults(self) -> None:
        """Disarm all faults, end those that last, and forget what happened."""
        self.write("LAB:FAUL:CLE")

    @property
    def faults(self) -> list[dict[str, str]]:
        """Get the faults that are armed (list of dict).

        Each with its keys, its ``occasions`` so far, and how often it ``fired``.
        """
        return [_words(entry) for entry in self._listed("LAB:FAUL?")]

    @property
    def faults_happened(self) -> list[dict[str, str]]:
        """Get what went wrong so far, oldest first (list of dict).

        Each with the fault's keys, ``message`` (which one of the instrument's), ``number`` (of
        the measurement; -1 while the laboratory counts by itself) and ``time_s``.
        """
        return [_words(entry) for entry in self._listed("LAB:FAUL:LOG?")]

    def now(self) -> float:
        """Return the laboratory's clock in s."""
        return float(self.time)

    def sleep(self, seconds: float) -> None:
        """Let `seconds` of laboratory time pass.

        Time-outs of the laboratory go by its own clock, so a long wait is sent in pieces of half
        the session's time-out.

        :raises ValueError: if it is negative or not finite.
        """
        left = validators.finite(seconds, "wait", "s")
        if left < 0:
            raise ValueError(f"wait must not be negative, {left:g} s")
        timeout_ms = self.adapter.connection.timeout
        longest = math.inf if timeout_ms is None else 0.5e-3 * timeout_ms
        while left > 0:
            piece = min(left, longest)
            (complete,) = self.ask_joined(f"LAB:WAIT {piece:.9f}", "*OPC?", replies=1)
            if complete.strip() != "1":
                raise ConnectionError(f"{self.name}: expected 1 from *OPC?, got {complete!r}")
            left -= piece
