"""One holder a bench: a lock on each instrument, which names who has it and cannot go stale.

Two bench files that share an instrument exclude each other, whatever the files are called. The lock
is the kernel's, on a file a resource: it ends with the last process that has it open, however that
process ended. A guard inherits it, so that a bench is not taken while it is being made safe.

The files lie in one folder for all users of a machine, whatever their environment; it is no folder
for temporary files, whose cleaner would make one lock two. A holder looks now and then whether its
files are still the ones that others find.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pyvisa import rname

from magnon_lab.bench.errors import BenchError, CustodyError

if sys.platform != "win32":
    import fcntl

ENVIRONMENT = "MAGNON_LAB_LOCKS"
"""Folder of the locks, if not `FOLDER`: the same for all who use the instruments."""

SHARED = Path("/run/lock")
FOLDER = "magnon-lab"
"""In `SHARED` if everybody may write there, else in /var/tmp: so all users choose the same."""

LOOK_S = 0.05


@dataclass(frozen=True)
class Holder:
    """Who holds a bench."""

    pid: int
    host: str
    what: str
    """Such as "run 3f2a", "bench set", "guard of run 3f2a"."""
    since: float
    """Unix time in s."""

    @classmethod
    def this(cls, what: str) -> Holder:
        """Return this process."""
        return cls(os.getpid(), socket.gethostname(), what, time.time())

    def told(self) -> str:
        """Return one line for a message."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"{self.what} (process {self.pid} on {self.host}, since {when})"


class BenchHeldError(BenchError):
    """Somebody else holds the bench, or an instrument of it."""

    def __init__(self, resource: str, holder: Holder | None) -> None:
        self.holder = holder
        told = holder.told() if holder is not None else "a process that is just beginning"
        super().__init__(
            f"{resource} is held by {told}. Wait for it to end, end it, or let "
            "`magnon-lab bench safe` end it and switch everything off"
        )


class LockLostError(CustodyError):
    """The lock's file was removed or replaced, so that another process could take the bench."""


class BenchLock:
    """The lock on a bench's resources (VISA names), taken by `acquire`."""

    def __init__(self, resources: Sequence[str]) -> None:
        self.resources = sorted({_canonical(resource) for resource in resources})
        self._files: dict[str, int] = {}

    @property
    def held(self) -> bool:
        """Whether this process has the lock."""
        return bool(self._files)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Open files that are the lock: a child that inherits them holds it, too."""
        return tuple(self._files.values())

    def acquire(self, what: str) -> None:
        """Take every resource or none. Raises `BenchHeldError` naming the holder."""
        if not self._files:
            self._take()
            self.describe(what)

    def _take(self) -> None:
        try:
            for resource in self.resources:
                self._files[resource] = _lock(resource)
        except BaseException:
            self.release()
            raise

    def adopt(self, descriptors: Sequence[int], what: str) -> None:
        """Take over a lock that was inherited from the process that started this one."""
        self._files = dict(zip(self.resources, descriptors, strict=True))
        self.describe(what)

    def describe(self, what: str) -> None:
        """Write down who holds the bench now: this process, as `what`."""
        text = json.dumps(asdict(Holder.this(what))).encode()
        for descriptor in self._files.values():
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text, 0)

    def touch(self) -> None:
        """Show whoever clears old files away that these are in use."""
        for descriptor in self._files.values():
            with contextlib.suppress(OSError):
                os.utime(descriptor)

    def confirm(self) -> None:
        """Raise `LockLostError` if the files of this lock are no longer those that others find."""
        self.touch()
        for resource, descriptor in self._files.items():
            path = _path(resource)
            if not _is_at(descriptor, path):
                raise LockLostError(
                    f"the lock on {resource} is lost: its file {path} was removed or replaced, so "
                    "that another process could take the bench. See that nobody else uses these "
                    f"instruments and that nothing clears {path.parent} away, then start again"
                )

    def release(self) -> None:
        """Give the bench back; a guard that inherited the lock still has it."""
        files, self._files = self._files, {}
        for descriptor in files.values():
            os.close(descriptor)

    def holder(self) -> Holder | None:
        """Return who holds any of the resources now, None if nobody does."""
        probe = BenchLock(self.resources)
        try:
            probe._take()
        except BenchHeldError as error:
            return error.holder or Holder(0, socket.gethostname(), "unknown", time.time())
        probe.release()
        return None


def end_holder(
    lock: BenchLock, what: str, tell: Callable[[str], None], ask_s: float, force_s: float
) -> None:
    """Take the lock, ending whoever has it: asked first (SIGTERM), ended after `ask_s`.

    A guard that then makes the bench safe is left `force_s` for it before it is ended, too. `tell`
    is called with a line on each thing done. Raises `BenchHeldError` for a holder that is not ours
    to end.
    """
    ended: set[tuple[int, float]] = set()
    while True:
        try:
            lock.acquire(what)
            return
        except BenchHeldError as error:
            refused, holder = error, error.holder
            if holder is None or holder.pid == os.getpid() or (holder.pid, holder.since) in ended:
                raise
        guard = holder.what.startswith("guard")
        if not guard:
            tell(f"asking {holder.told()} to end")
            _signal(holder, signal.SIGTERM, refused)
        if _freed(lock, holder, what, force_s if guard else ask_s):
            continue
        tell(f"ending {holder.told()}")
        _signal(holder, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM, refused)
        ended.add((holder.pid, holder.since))
        _freed(lock, holder, what, force_s)


def _freed(lock: BenchLock, holder: Holder, what: str, within_s: float) -> bool:
    """Wait until the holder is another, or none; a lock that comes free is taken."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            lock.acquire(what)
        except BenchHeldError as error:
            if error.holder is not None and error.holder.pid != holder.pid:
                return True
        else:
            return True
        time.sleep(LOOK_S)
    return False


def _signal(holder: Holder, number: int, error: BenchHeldError) -> None:
    if holder.host != socket.gethostname():
        raise error
    try:
        os.kill(holder.pid, number)
    except ProcessLookupError:
        pass  # it ended by itself
    except PermissionError:
        raise error from None


def _canonical(resource: str) -> str:
    # Two spellings of one instrument must be one lock; an alias stays what it is.
    with contextlib.suppress(rname.InvalidResourceName, ValueError):
        resource = rname.to_canonical_name(resource)
    return resource.upper()


def _folder() -> Path:
    if named := os.environ.get(ENVIRONMENT):
        return Path(named)
    shared = SHARED.is_dir() and SHARED.stat().st_mode & (stat.S_ISVTX | 0o777) == 0o1777
    return (SHARED if shared else Path("/var/tmp")) / FOLDER


def _path(resource: str) -> Path:
    return _folder() / f"{hashlib.sha256(resource.encode()).hexdigest()[:24]}.lock"


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        found = path.stat(follow_symlinks=False)
    except OSError:
        return False
    return os.path.samestat(os.fstat(descriptor), found)


def _lock(resource: str) -> int:
    path = _path(resource)
    while True:
        descriptor = _opened(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _read(descriptor)
            os.close(descriptor)
            raise BenchHeldError(resource, holder) from None
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # it was removed meanwhile, and others would take the next


def _opened(path: Path) -> int:
    """Open the file of a lock, made if need be. Raises `BenchError` where that cannot be."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with contextlib.suppress(FileExistsError):
            path.parent.mkdir(parents=True)
            # Everybody who works at this machine shares its instruments.
            path.parent.chmod(stat.S_ISVTX | 0o777)
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, flags)  # not O_CREAT: it may be another user's
        descriptor = os.open(path, flags | os.O_CREAT, 0o666)
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o666)
        return descriptor
    except OSError as error:
        raise BenchError(
            f"the lock {path} cannot be taken: {error.strerror}. Let everybody write in "
            f"{path.parent} (mode 1777), or let {ENVIRONMENT} name another folder, the same for "
            "all who use these instruments"
        ) from error


def _read(descriptor: int) -> Holder | None:
    try:
        return Holder(**json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):
        return None  # it has the lock, and is about to write its name
