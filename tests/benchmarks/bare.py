"""What this machine gives for nothing: one Quart route on stock hypercorn, reading a form and answering JSON.

Every figure of the daemon is set beside it. Prints `{"port": …}` when it listens. `--wait SECONDS` makes each request
wait before its answer, for a comparison where the daemon must wait for its disk.
"""

import argparse
import json
import logging
from functools import partial

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import request
from quart_trio import QuartTrio


def make_app(wait: float) -> QuartTrio:
    app = QuartTrio("bare")

    @app.post("/x")
    async def push() -> dict[str, object]:
        form = await request.form
        if wait:
            await trio.sleep(wait)
        title, text = form.get("title", ""), form.get("desp", "")
        return {"code": 0, "message": "success", "data": {"errno": 0, "length": len(title) + len(text)}}

    return app


async def main(wait: float) -> None:
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = logging.getLogger("bare")
    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(partial(serve, make_app(wait), config))
        print(json.dumps({"port": int(address.rsplit(":", 1)[1])}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wait", type=float, default=0.0)
    trio.run(main, parser.parse_args().wait)
