"""`/operator/status`: the daemon's account of itself for `bottalk status` and `bottalk doctor`."""

import os
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from bottalk.http import answers
from bottalk.http.address import Addresses
from bottalk.http.answers import Answer, Ok
from bottalk.http.endpoints import Call, Endpoint, Reply
from bottalk.http.operator import at
from bottalk.http.status import StatusForm
from bottalk.ops import limits
from bottalk.service.status import Status, StatusView

STATUS = "/operator/status"


class ProcessBody(Struct, frozen=True):
    """What administrators are told too (`status`), and what only concerns the machine: the process id, its limit of
    open files, and the first few peers that spoke for others without being trusted to."""

    process: int
    open_files: int
    untrusted_proxies: list[str]
    status: StatusView


def endpoints(status: Status, addresses: Addresses) -> Sequence[Endpoint[Any]]:
    async def show(call: Call[StatusForm]) -> Answer:
        form = call.form
        view = status.view(form.channels, form.limit, form.after)
        return answers.ok(ProcessBody(os.getpid(), limits.open_files(), addresses.untrusted(), view))

    return (at("GET", STATUS, "How the daemon is", show, StatusForm, Reply(200, "the status", Ok[ProcessBody])),)
