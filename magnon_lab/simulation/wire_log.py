"""What went over the wires of the simulated laboratory: in memory, and in a file if asked."""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from magnon_lab.simulation.errors import SimulationError

ENTRIES = 4000
_REPLY_BYTES = 200


class Entry(NamedTuple):
    """One message, reply or fault; messages are whole, replies are kept as far as 200 bytes.

    `way` is `<` for what the instrument received, `>` for its reply, `!` for a fault that
    happened to the message before it.
    """

    time_s: float
    role: str
    way: str
    data: bytes

    @property
    def text(self) -> str:
        """The message as text."""
        return self.data.decode("latin-1")


class WireLog:
    """The last entries, oldest first; `dropped` counts those that are no longer kept.

    `record` writes every further entry into a file as well, one JSON list a line, so that a log
    can be read while the laboratory is served and after it was killed.
    """

    def __init__(self, entries: int | None = ENTRIES) -> None:
        self._entries: deque[Entry] = deque(maxlen=entries)
        self._file: IO[str] | None = None
        self._recording = ExitStack()
        self.dropped = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))  # others may be logging meanwhile

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, time_s: float, role: str, way: str, data: bytes) -> None:
        """Enter what passed."""
        entries = self._entries
        entry = Entry(time_s, role, way, data[:_REPLY_BYTES] if way == ">" else data)
        if len(entries) == entries.maxlen:
            self.dropped += 1
        entries.append(entry)
        if self._file is not None:
            self._file.write(json.dumps([time_s, role, way, entry.text]) + "\n")

    def keep(self, entries: int | None) -> None:
        """Keep that many entries from now on, all of them if None."""
        if entries is not None:
            self.dropped += max(0, len(self) - entries)
        self._entries = deque(self._entries, maxlen=entries)

    def clear(self) -> None:
        """Forget what was logged; a file keeps it."""
        self._entries.clear()
        self.dropped = 0

    def record(self, path: Path | str | None) -> None:
        """Write every further entry into a new file too; None ends that. Raises `OSError`."""
        self._file = None
        self._recording.close()
        if path is not None:
            self._file = self._recording.enter_context(_lines(Path(path)))


@contextmanager
def _lines(path: Path) -> Iterator[IO[str]]:
    """Open a file that takes each line at once: none is lost when the process is killed."""
    with path.open("w", buffering=1, encoding="utf-8") as file:
        yield file


def read_wire_log(path: Path | str) -> Iterator[Entry]:
    """Yield the entries of a recorded file; raise `SimulationError` for a line that is none.

    A last line without its end was cut off by a kill and is left out.
    """
    with Path(path).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):
                return
            try:
                time_s, role, way, text = json.loads(line)
                yield Entry(float(time_s), str(role), str(way), str(text).encode("latin-1"))
            except (ValueError, TypeError) as error:
                raise SimulationError(f"{path}, line {number}: no entry of a wire log") from error
