"""Whether the journal can write, as everybody may see it."""

import trio
import trio.testing

from bottalk.writable import Writable


async def test_it_is_ok_at_first_and_asking_costs_no_checkpoint() -> None:
    writable = Writable()
    with trio.testing.assert_no_checkpoints():
        await writable.ok()
    assert writable.is_ok


async def test_what_is_owed_comes_first(autojump_clock: object) -> None:
    writable = Writable()
    seen: list[str] = []

    async def new() -> None:
        await writable.ok()
        seen.append("new")

    async def owing() -> None:
        with writable.owed():
            await writable.again(1000)
            await trio.sleep(5)
            seen.append("owed")

    writable.lost()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(new)
        nursery.start_soon(owing)
        await trio.sleep(100)
        assert seen == []
        writable.regained()
        assert not writable.is_ok
    assert seen == ["owed", "new"]
    assert writable.is_ok


async def test_who_owes_asks_again_by_itself(autojump_clock: object) -> None:
    """The journal may be busy rather than ill: nobody says then that it is back."""
    writable = Writable()
    began = trio.current_time()
    await writable.again(3.0)
    assert trio.current_time() - began == 3.0


async def test_a_debt_that_fails_is_none_any_more() -> None:
    writable = Writable()
    try:
        with writable.owed():
            assert not writable.is_ok
            raise LookupError
    except LookupError:
        assert writable.is_ok
