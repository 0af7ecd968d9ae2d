"""The housekeeper: bite after bite, whatever the journal says."""

import random
from typing import Any

import trio
import trio.testing

from bottalk.actors.departed import Departed
from bottalk.actors.housekeeper import RETRY_S, Housekeeper
from bottalk.directory import Directory
from bottalk.errors import CannotWrite
from bottalk.messages import ForgetUserLog
from bottalk.values import UserId
from supervisors import ChildSpec, Mailbox, Supervisor
from tests.support.world import VirtualClock


async def test_it_goes_on_once_the_journal_can_write_again(autojump_clock: object) -> None:
    directory, journal = Directory(gone=[UserId(7)]), Mailbox[Any]("journal", 10)
    housekeeper = Housekeeper([Departed(directory, journal)], VirtualClock())
    spec = ChildSpec("housekeeper", housekeeper.run, stop_timeout=0.0)
    root = Supervisor("root", [spec], rng=random.Random(1), wall=VirtualClock().now)
    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        begun = trio.current_time()
        letter = await journal.take()
        assert letter.message == ForgetUserLog(UserId(7))
        letter.fail(CannotWrite("disk full"))
        await trio.testing.wait_all_tasks_blocked()
        assert [job.refused for job in housekeeper.status().jobs] == ["disk full"]
        for rows in (1000, 3):
            letter = await journal.take()
            directory.gone -= {UserId(7)} if rows < 1000 else set()
            letter.reply(rows)
        assert trio.current_time() - begun >= RETRY_S
        await trio.sleep(3600)
        assert journal.depth == 0, "nothing left, nothing asked"
        [job] = housekeeper.status().jobs
        assert (job.name, job.done, job.refused) == ("departed", 1003, None)
        assert job.last_round_at is not None
        directory.remove_user(UserId(8))
        assert (await journal.take()).message == ForgetUserLog(UserId(8))
        root.stop()
