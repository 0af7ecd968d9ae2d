"""How the daemon is: `/healthz`, `/readyz`, `/metrics`, `/api/admin/status`; and the public address, `/api/config`."""

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from bottalk.config import Config
from bottalk.http import answers, metrics
from bottalk.http.answers import Answer, Ok
from bottalk.http.endpoints import Access, Call, Endpoint, NoForm, Reply
from bottalk.service.figures import Figures
from bottalk.service.status import LISTED, MOST_LISTED, Status, StatusView, Which

TEXT = "text/plain; charset=utf-8"


class PublicConfig(Struct, frozen=True):
    base_url: str


class Readiness(Struct, frozen=True):
    """`not_ready` says what it waits for."""

    ready: bool
    not_ready: list[str]


class StatusForm(Struct, frozen=True):
    channels: Annotated[Which, Meta(description="Which ones are listed in detail; empty: a summary.")] = Which.NONE
    limit: Annotated[int, Meta(ge=1, le=MOST_LISTED)] = LISTED
    after: Annotated[int, Meta(ge=0, le=2**53, description="The last id of the page before.")] = 0


def endpoints(status: Status, figures: Figures, config: Config) -> Sequence[Endpoint[Any]]:
    registry = metrics.registry(status, figures)

    async def public_config(call: Call[NoForm]) -> Answer:
        return answers.encoded(PublicConfig(config.public_url))

    async def healthz(call: Call[NoForm]) -> Answer:
        return Answer(b"ok", content_type=TEXT)

    async def readyz(call: Call[NoForm]) -> Answer:
        waits_for = status.not_ready()
        return answers.encoded(Readiness(not waits_for, waits_for), 503 if waits_for else 200)

    async def admin_status(call: Call[StatusForm]) -> Answer:
        form = call.form
        return answers.ok(status.view(form.channels, form.limit, form.after))

    async def prometheus(call: Call[NoForm]) -> Answer:
        return Answer(metrics.render(registry), content_type=metrics.CONTENT_TYPE)

    ready, waiting = Readiness(True, []), Readiness(False, ["http: starting"])
    return (
        Endpoint(
            "GET",
            "/api/config",
            "The public address",
            public_config,
            NoForm,
            (Reply(200, "the address", PublicConfig, PublicConfig("http://localhost:3000")),),
            tag="daemon",
        ),
        Endpoint(
            "GET",
            "/healthz",
            "The process answers",
            healthz,
            NoForm,
            (Reply(200, "ok", str, "ok", content_type=TEXT),),
            tag="daemon",
        ),
        Endpoint(
            "GET",
            "/readyz",
            "Every actor runs and the journal can write",
            readyz,
            NoForm,
            (Reply(200, "ready", Readiness, ready), Reply(503, "what it waits for", Readiness, waiting)),
            tag="daemon",
        ),
        Endpoint(
            "GET",
            "/metrics",
            "Prometheus text",
            prometheus,
            NoForm,
            (Reply(200, "metrics", str, "bottalk_journal_up 1.0\n", content_type=metrics.CONTENT_TYPE),),
            access=Access.MONITOR,
            tag="daemon",
        ),
        Endpoint(
            "GET",
            "/api/admin/status",
            "Which poller is ill, since when, and why",
            admin_status,
            StatusForm,
            (Reply(200, "the status", Ok[StatusView]),),
            access=Access.MONITOR,
            tag="admin",
        ),
    )
