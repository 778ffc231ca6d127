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

"""What the SCPI instruments here have in common: joined queries and a safe error queue."""

import logging
from typing import Any

from pymeasure.instruments import SCPIMixin

from drivers.validators import whole

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())

QUEUE_LENGTH = 64
"""More than any of these instruments keeps (20 to 30 entries at Keysight, 15 at Kepco)."""


def parse_error(reply: str) -> tuple[int, str]:
    """Return code and text of one `SYST:ERR?` reply.

    :raises ConnectionError: if it does not start with a whole number.
    """
    code, _, text = reply.strip().partition(",")
    return whole(code), text.strip().strip('"')


class CheckedSCPIMixin(SCPIMixin):
    """Standard SCPI commands with joined queries and an error queue that cannot hang."""

    def ask_joined(self, *messages: str, replies: int) -> list[str]:
        """Send several messages as one and return their replies.

        Sets and queries may be mixed. The last reply may itself hold a semicolon (an error's
        text does).

        :param replies: How many of the messages are queries.
        :raises ConnectionError: if another number of replies came back.
        """
        answer = self.ask(";".join(messages)).strip()
        parts: list[str] = answer.split(";", replies - 1)
        if len(parts) != replies:
            raise ConnectionError(
                f"{self.name}: expected {replies} replies to {';'.join(messages)!r}, got {answer!r}"
            )
        return parts

    @property
    def next_error(self) -> tuple[int, str]:
        """Get the oldest entry of the error queue as code and text, (0, ...) if there is none."""
        return parse_error(self.ask("SYST:ERR?"))

    def check_errors(self) -> list[tuple[int, str]]:
        """Read the error queue until it is empty; log and return its entries.

        :raises ConnectionError: if the queue does not end.
        """
        return self.check_errors_after(self.ask("SYST:ERR?"))

    def check_errors_after(self, first_reply: str) -> list[tuple[int, str]]:
        """Do `check_errors` when the first reply of the queue is at hand already."""
        errors: list[tuple[int, str]] = []
        code, text = parse_error(first_reply)
        while code != 0:
            log.error("%s: %d, %s", self.name, code, text)
            errors.append((code, text))
            if len(errors) > QUEUE_LENGTH:
                raise ConnectionError(
                    f"{self.name}: the error queue does not end, the last entry was {code}, {text}"
                )
            code, text = self.next_error
        return errors

    @property
    def options(self) -> list[str]:
        """Get the names of the installed options (list of str)."""
        reply: Any = self.ask("*OPT?").strip().strip('"')
        return [name.strip() for name in reply.split(",") if name.strip() not in ("", "0")]
