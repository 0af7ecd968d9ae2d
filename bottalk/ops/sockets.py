"""The TCP socket that the daemon opens once, so that a restart of http keeps its port."""

import socket

from bottalk.errors import BotTalkError

BACKLOG = 1024
"""Connections that the kernel keeps until they are accepted; it caps the number by itself."""


class AddressError(BotTalkError):
    """The address cannot be listened on; the text says why and what to do."""


def listening_socket(host: str, port: int) -> socket.socket:
    """A bound TCP socket. Raises AddressError: taken, not allowed, not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(BACKLOG)  # from now on a second daemon finds the port taken; who comes early waits in the kernel
    except OSError as e:
        sock.close()
        raise AddressError(f"cannot listen on {host} port {port}: {e.strerror}; set HOST or PORT") from e
    return sock


def url_of(sock: socket.socket) -> str:
    """The address a bound TCP socket is reached at on this machine."""
    host, port = sock.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
