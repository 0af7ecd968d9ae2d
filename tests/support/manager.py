"""The part of systemd that a service speaks to: a real Unix datagram socket that keeps what it was told."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


class Ears:
    """`address` is what NOTIFY_SOCKET says."""

    def __init__(self, bound: socket.socket, address: str) -> None:
        self.address = address
        self.heard: list[str] = []
        self._bound = bound

    def listen(self) -> list[str]:
        """The datagrams that have come since the last call, without waiting for more. `heard` keeps all of them."""
        new = []
        while True:
            try:
                new.append(self._bound.recv(65_536).decode())
            except BlockingIOError:
                self.heard += new
                return new

    def lines(self) -> list[str]:
        """The same, line by line."""
        return [line for message in self.listen() for line in message.split("\n")]


@contextmanager
def ears(address: str) -> Iterator[Ears]:
    """A bound socket; `@name` is an abstract one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.setblocking(False)
        bound.bind("\0" + address[1:] if address.startswith("@") else address)
        yield Ears(bound, address)
