"""The `@magnon` backend of PyVISA: pyvisa-sim's library with a laboratory behind its resources.

PyVISA finds it as module `pyvisa_magnon`. A resource manager opened on it powers up a laboratory;
the next one, after it was closed, finds a new one. What it takes from pyvisa-sim is the session
handling (`sessions`, `Session.get_session_class`, session attributes); instruments answer through
our own grammar, in bulk, with joined replies and binary data, and faults of a model are raised.
"""

import math
from pathlib import Path
from typing import Any, ClassVar

from pyvisa import constants, errors, rname
from pyvisa.util import LibraryPath
from pyvisa_sim.highlevel import SimVisaLibrary

from magnon_lab.simulation.definition import load, shipped_definition
from magnon_lab.simulation.laboratory import Laboratory
from magnon_lab.simulation.link import ConnectionLostError, Link, ReadTimeoutError, Stop

_Attribute = constants.ResourceAttribute
_Status = constants.StatusCode
_STATUS = {
    Stop.END: _Status.success,
    Stop.TERMINATOR: _Status.success_termination_character_read,
    Stop.COUNT: _Status.success_max_count_read,
}
_DEFAULT_TIMEOUT_MS = 2000


class _Resources:
    """The laboratory's instruments by canonical resource name, as pyvisa-sim's library asks."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._by_name = {
            rname.to_canonical_name(i.definition.resource): i
            for i in laboratory.instruments.values()
        }

    def __getitem__(self, name: str) -> Any:
        return self._by_name[name]

    def list_resources(self) -> tuple[str, ...]:
        return tuple(self._by_name)


class MagnonVisaLibrary(SimVisaLibrary):
    """VISA library whose resources are the instruments of a simulated laboratory.

    `laboratory` is the one that the open resource manager has; the library path is the definition
    file, the shipped one if none is given.
    """

    laboratory: Laboratory
    _open: ClassVar[set["MagnonVisaLibrary"]] = set()
    """Libraries whose manager is open. They are held here, or the laboratory would be as fresh as
    the garbage collector was busy when a script drops its instruments without closing the manager.
    """

    @staticmethod
    def get_library_paths() -> tuple[LibraryPath]:
        """Return the shipped definition file."""
        return (LibraryPath(str(shipped_definition())),)

    @staticmethod
    def get_debug_info() -> dict[str, str]:
        """Return version and shipped definition file."""
        import magnon_lab

        return {"Version": magnon_lab.__version__, "Definition": str(shipped_definition())}

    def _init(self) -> None:
        self.sessions: dict[Any, Any] = {}
        self._links: dict[Any, Link] = {}
        self._path = Path(str(self.library_path))
        self._power_up()

    def _power_up(self) -> None:
        self.laboratory = Laboratory(load(self._path))
        self.devices = _Resources(self.laboratory)
        self._fresh = True

    def open_default_resource_manager(self) -> tuple[Any, Any]:
        """Open a resource manager on a laboratory that has just been powered up."""
        if not self._fresh:
            self.sessions.clear()
            self._links.clear()
            self._power_up()
        self._fresh = False
        session, status = super().open_default_resource_manager()
        self._open.add(self)
        return session, self.handle_return_value(session, status)

    def open(
        self, session: Any, resource_name: str, access_mode: Any = constants.AccessModes.no_lock,
        open_timeout: Any = constants.VI_TMO_IMMEDIATE,
    ) -> tuple[Any, Any]:  # fmt: skip
        """Open a session; raise `VisaIOError` for a resource that is not there."""
        try:
            handle, status = super().open(session, resource_name, access_mode, open_timeout)
        except ValueError:
            handle, status = 0, _Status.error_resource_not_found
        if status < 0:
            raise errors.VisaIOError(status)
        opened = self.sessions[handle]
        if not opened.device.faults.reachable():
            super().close(handle)
            raise errors.VisaIOError(_Status.error_resource_not_found)
        kind = opened.parsed.interface_type_const
        stream = opened.parsed.resource_class == "SOCKET" or kind == constants.InterfaceType.asrl
        self._links[handle] = Link(opened.device, stream=stream)
        return handle, self.handle_return_value(handle, status)

    def close(self, session: Any) -> Any:
        """Close a session, with unread replies gone, or the manager's, and with it the power."""
        if self.sessions.get(session) is self:
            self._open.discard(self)
        link = self._links.pop(session, None)
        if link is not None:
            link.close()
        return super().close(session)

    def _link(self, session: Any) -> Link:
        try:
            return self._links[session]
        except KeyError:
            raise errors.VisaIOError(_Status.error_invalid_object) from None

    def write(self, session: Any, data: bytes) -> tuple[int, Any]:
        """Send bytes; the instrument acts on each complete message."""
        end = self.sessions[session].attrs.get(_Attribute.send_end_enabled, True)
        try:
            self._link(session).write(bytes(data), bool(end))
        except ConnectionLostError:
            raise errors.VisaIOError(_Status.error_connection_lost) from None
        return len(data), self.handle_return_value(session, _Status.success)

    def read(self, session: Any, count: int) -> tuple[bytes, Any]:
        """Read up to `count` bytes in one go; raise `VisaIOError` at the time-out."""
        link = self._link(session)
        attributes = self.sessions[session].attrs
        timeout_ms = attributes.get(_Attribute.timeout_value, _DEFAULT_TIMEOUT_MS)
        timeout_s = math.inf if timeout_ms == constants.VI_TMO_INFINITE else timeout_ms / 1000
        try:
            data, stop = link.read(count, timeout_s, _terminator(attributes))
        except ConnectionLostError:
            raise errors.VisaIOError(_Status.error_connection_lost) from None
        except ReadTimeoutError:
            self.handle_return_value(session, _Status.error_timeout)
            raise  # not reached: the line above raises
        return data, self.handle_return_value(session, _STATUS[stop])

    def clear(self, session: Any) -> Any:
        """Device clear."""
        self._link(session).clear()
        return self.handle_return_value(session, _Status.success)

    def flush(self, session: Any, mask: Any) -> Any:
        """Discard what has not been read, if the mask says so."""
        discards = (
            constants.BufferOperation.discard_read_buffer
            | constants.BufferOperation.discard_read_buffer_no_io
            | constants.BufferOperation.discard_receive_buffer
            | constants.BufferOperation.discard_receive_buffer2
        )
        if mask & discards:
            self._link(session).discard_input()
        return self.handle_return_value(session, _Status.success)

    def read_stb(self, session: Any) -> tuple[int, Any]:
        """Serial poll."""
        try:
            value = self._link(session).status_byte()
        except ConnectionLostError:
            raise errors.VisaIOError(_Status.error_connection_lost) from None
        return value, self.handle_return_value(session, _Status.success)

    def assert_trigger(self, session: Any, protocol: Any) -> Any:
        """Group execute trigger: the same as `*TRG`."""
        self.write(session, b"*TRG\n")
        return self.handle_return_value(session, _Status.success)


def _terminator(attributes: dict[Any, Any]) -> int | None:
    """Return the byte that ends a read, by the rules for termination character and serial lines."""
    character = attributes.get(_Attribute.termchar, 10)
    if attributes.get(_Attribute.termchar_enabled, False):
        return int(character)
    if attributes[_Attribute.interface_type] == constants.InterfaceType.asrl:
        ending = attributes.get(
            _Attribute.asrl_end_in, constants.SerialTermination.termination_char
        )
        if ending == constants.SerialTermination.termination_char:
            return int(character)
    return None
