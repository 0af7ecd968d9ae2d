"""What the rate limit costs, without a daemon around it: a full hour of pushes, decided one after another.

Prints one line of JSON: nanoseconds of a decision, of one asked for over the actor's mailbox, of a refusal, and the
bytes that a full hour of all accounts takes. `--decisions N` (100,000), by `--accounts M` (1,000) with a limit of N/M.
"""

import argparse
import gc
import json
import time
from pathlib import Path

import trio

from bottalk.actors.ratelimit import HOUR_S, RateLimit
from bottalk.messages import Spend
from bottalk.values import UserId
from supervisors import Child


def rss() -> int:
    """Bytes of this process in memory."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:"))


def decide(limiter: RateLimit, messages: list[Spend], begin: float, step: float, *, granted: bool) -> float:
    """Nanoseconds of a decision. Each must come out as `granted` says."""
    now, started = begin, time.perf_counter_ns()
    for message in messages:
        assert limiter.spend(message, now).granted is granted
        now += step
    return (time.perf_counter_ns() - started) / len(messages)


async def ask(messages: list[Spend]) -> float:
    """Nanoseconds of a decision that is asked for over the mailbox, as a push asks."""
    limiter = RateLimit()
    child = Child("ratelimit", limiter.mailbox)
    async with trio.open_nursery() as nursery:
        await nursery.start(limiter.run, child)
        started = time.perf_counter_ns()
        for message in messages:
            await limiter.mailbox.ask(message)
        spent = (time.perf_counter_ns() - started) / len(messages)
        nursery.cancel_scope.cancel()
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--accounts", type=int, default=1000)
    options = parser.parse_args()
    limit = options.decisions // options.accounts
    spends = [Spend(UserId(n), limit) for n in range(options.accounts)]
    messages = spends * limit
    step = HOUR_S / 2 / len(messages)
    gc.collect()
    before, limiter = rss(), RateLimit()
    granted = decide(limiter, messages, 0.0, step, granted=True)
    gc.collect()
    size = rss() - before
    refused = decide(limiter, messages, HOUR_S / 2, step / 2, granted=False)
    asked = trio.run(ask, messages)
    found = {"granted": granted, "refused": refused, "asked": asked, "bytes": size}
    print(json.dumps({name: round(value) for name, value in found.items()}), flush=True)


if __name__ == "__main__":
    main()
