"""How a TCP connection to iLink is opened."""

import trio


async def open_stream(host: str, port: int) -> trio.abc.Stream:
    """A connected stream. One address is dialled as it is; several are raced as trio does (happy eyeballs).

    A race takes a nursery and tasks, which is half of what a connection on a local network costs. Raises OSError
    (socket.gaierror when the name is not known). A cancel closes what was opened.
    """
    found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    addresses = {(family, address) for family, _, _, _, address in found}
    if len(addresses) != 1:
        return await trio.open_tcp_stream(host, port)
    family, address = addresses.pop()
    sock = trio.socket.socket(family, trio.socket.SOCK_STREAM)
    try:
        await sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return trio.SocketStream(sock)
