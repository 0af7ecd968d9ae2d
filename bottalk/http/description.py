"""`/openapi.json`, and `/docs`, which shows it from files of our own."""

from collections.abc import Mapping, Sequence
from typing import Any

from bottalk.http import openapi
from bottalk.http.answers import Answer, encode
from bottalk.http.endpoints import Call, Endpoint, NoForm, Reply


def endpoints(described: Sequence[Endpoint[Any]], base_url: str) -> Sequence[Endpoint[Any]]:
    """The description of `described` and of itself."""
    found: list[Endpoint[Any]] = []
    document: list[bytes] = []

    async def openapi_json(call: Call[NoForm]) -> Answer:
        if not document:
            document.append(encode(openapi.document((*described, *found), base_url)))
        return Answer(document[0])

    found.append(
        Endpoint(
            "GET",
            "/openapi.json",
            "This description",
            openapi_json,
            NoForm,
            (Reply(200, "OpenAPI 3.1", Mapping[str, Any]),),
            tag="daemon",
        )
    )
    return found
