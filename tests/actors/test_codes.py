"""QR codes: how many may be open, whoever asks for them at the same moment. In virtual time."""

from pathlib import Path

import trio

from bottalk.errors import TooManyCodes
from bottalk.sandbox.rules.faults import Fault
from bottalk.service.channels import NoCode
from tests.support.world import World, open_world


async def ask(world: World, count: int, *ips: str) -> list[str]:
    """`count` requests for a code from each address, all at once. Which address got one, once for each."""
    got: list[str] = []
    _, visitor = await world.daemon.services.sessions.open()

    async def one(ip: str) -> None:
        try:
            await world.daemon.services.channels.new_code(visitor, ip, public=True)
        except (TooManyCodes, NoCode):
            return
        got.append(ip)

    async with trio.open_nursery() as nursery:
        for ip in ips:
            for _ in range(count):
                nursery.start_soon(one, ip)
    return sorted(got)


async def test_an_address_that_asks_all_at_once_has_no_more_codes(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, codes_per_address=5) as world:
        assert await ask(world, 20, "192.0.2.1", "192.0.2.2") == ["192.0.2.1"] * 5 + ["192.0.2.2"] * 5
        assert await ask(world, 1, "192.0.2.1", "192.0.2.3") == ["192.0.2.3"]


async def test_the_addresses_of_one_ipv6_network_are_one(tmp_path: Path, autojump_clock: object) -> None:
    """A household has 2^64 of them; new accounts are counted in the same way."""
    async with open_world(tmp_path, codes_per_address=3) as world:
        assert len(await ask(world, 1, *(f"2001:db8::{n}" for n in range(1, 9)))) == 3
        assert len(await ask(world, 5, "::1", "operator")) == 6


async def test_nor_have_all_addresses_together(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, codes_in_all=7) as world:
        assert len(await ask(world, 1, *(f"192.0.2.{n}" for n in range(20)))) == 7


async def test_what_ilink_does_not_give_takes_no_place(tmp_path: Path, autojump_clock: object) -> None:
    async with open_world(tmp_path, codes_per_address=2) as world:
        world.sandbox.arm(Fault(kind="status", endpoint="get_bot_qrcode", status=503, times=10))
        assert await ask(world, 2, "192.0.2.1") == []
        world.sandbox.disarm()
        assert len(await ask(world, 2, "192.0.2.1")) == 2
