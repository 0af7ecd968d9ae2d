"""Routes for everybody: the public address, and the signs of life."""

from quart import Blueprint, Response

from bottalk.config import Config
from bottalk.http import answers


def blueprint(config: Config) -> Blueprint:
    routes = Blueprint("public", __name__)

    @routes.get("/api/config")
    async def public_config() -> Response:
        return answers.json({"base_url": config.public_url})

    @routes.get("/healthz")
    async def healthz() -> Response:
        return Response("ok", content_type="text/plain; charset=utf-8")

    return routes
