"""sd_notify: what a service manager is told by one datagram each, to the socket it names in NOTIFY_SOCKET.

The protocol is sd_notify(3)'s: lines of `NAME=value`. systemd believes the main process alone (NotifyAccess=main), so
nothing here is inherited by anybody: the socket is closed on exec.
"""

import os
import socket
from collections.abc import Mapping

import structlog

log = structlog.get_logger()


class ServiceManager:
    """Who started this process and wants to hear of it. `watchdog_s`: how many seconds may pass between two
    WATCHDOG=1 before it kills the process; None: it does not watch."""

    def __init__(self, address: str, watchdog_s: float | None) -> None:
        self.watchdog_s = watchdog_s
        self._address = "\0" + address[1:] if address.startswith("@") else address  # @: Linux' abstract names
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._is_deaf = False

    def tell(self, *lines: str) -> bool:
        """Send the lines as one datagram; whether it was taken. Never waits: a manager that does not read misses it.

        A failure is logged once, until one is taken again.
        """
        message = "\n".join(line.replace("\n", " ") for line in lines)
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as e:
            if not self._is_deaf:
                log.warning("systemd.not_told", error=str(e), what_to_do="see whether the service manager runs")
            self._is_deaf = True
            return False
        self._is_deaf = False
        return True

    def close(self) -> None:
        self._socket.close()


def service_manager(environ: Mapping[str, str]) -> ServiceManager | None:
    """Who is to be told, by NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; None when nobody asked.

    A NOTIFY_SOCKET that is no Unix socket (systemd also speaks vsock, from virtual machines) is logged and left alone.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return None
    if address[0] not in "/@":
        log.warning("systemd.unknown_address", address=address)
        return None
    return ServiceManager(address, _watchdog_s(environ))


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    is_ours = pid in ("", str(os.getpid()))
    return int(microseconds) / 1e6 if is_ours else None
