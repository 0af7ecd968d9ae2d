"""`/openapi.json`. The console shows the same at `/docs`."""

from collections.abc import Mapping, Sequence
from typing import Any

from bottalk.http import openapi
from bottalk.http.answers import Answer, encode
from bottalk.http.endpoints import Call, Endpoint, NoForm, Reply


class Description:
    """What describes `described`, and the route that answers it. Made when it is first asked for."""

    def __init__(self, described: Sequence[Endpoint[Any]], base_url: str) -> None:
        self.endpoint: Endpoint[NoForm] = Endpoint(
            "GET",
            "/openapi.json",
            "This description",
            self._answer,
            NoForm,
            (Reply(200, "OpenAPI 3.1", Mapping[str, Any]),),
            tag="daemon",
        )
        self._described = (*described, self.endpoint)
        self._base_url = base_url
        self._document: Mapping[str, Any] | None = None
        self._encoded = b""

    def document(self) -> Mapping[str, Any]:
        """The OpenAPI document."""
        if self._document is None:
            self._document = openapi.document(self._described, self._base_url)
            self._encoded = encode(self._document)
        return self._document

    async def _answer(self, call: Call[NoForm]) -> Answer:
        self.document()
        return Answer(self._encoded)
