"""How the pretended iLink behaves: one frozen set of parameters, and the profiles made of it.

Every default is the field's best known behaviour; where nobody knows, the other reports are the other values.
"""

from typing import Annotated, Literal

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Burst = tuple[Annotated[int, msgspec.Meta(ge=1)], Annotated[float, msgspec.Meta(gt=0)]]
"""At most this many accepted sends in a rolling window of so many seconds."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All switches that are not a fault of one call. Durations are seconds, sizes as named."""

    # QR codes
    qr_ttl_s: Seconds = 300.0
    verify_code: bool = False
    """The phone shows digits, and the client must send them."""
    verify_tries: Annotated[int, msgspec.Meta(ge=1)] = 3
    redirect_host: str | None = None
    """Scanned codes live on at this host (`host` or `host:port`); the first host answers `scaned_but_redirect`."""
    min_client_version: str = "2.0.0"

    # long polls
    hold_s: Seconds = 30.0
    advertised_ms: Count | None = 35_000
    second_poller: Literal["steal", "supersede", "reject"] = "steal"
    cursor_mode: Literal["consume", "replay"] = "consume"
    cursor_when_empty: bool = True
    """An answer without messages carries a cursor as well."""
    inbound_dup: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """Share of inbound messages that come a second time, 1 to 11 s later."""
    inbound_dup_kind: Literal["same_id", "fresh_id", "fresh_token"] = "same_id"

    # sessions
    takeover_delay_s: Seconds = 0.0
    unknown_token: Literal["ret-14", "http401"] = "ret-14"
    ret14_style: Literal["both", "ret", "errcode"] = "both"
    dead_wakes_poll: bool = True
    """A held poll is answered -14 the moment its session dies; otherwise only at the end of its hold."""
    need_notifystart: bool = False

    # conversations
    window_s: Seconds = 86_400.0
    quota: Count | None = 10
    """Sends for one inbound message; None: without limit."""
    quota_scope: Literal["user", "token"] = "user"
    context_check: Literal["lenient", "known", "strict", "drop"] = "lenient"
    count_refused: bool = False
    burst: tuple[Burst, ...] = ((2, 1.0),)
    """Limits that hold side by side; empty: no limiter."""
    penalty_s: Seconds = 300.0
    penalty_extends: bool = True
    penalty_cap_s: Seconds = 3_600.0
    ret2_style: Literal["errmsg", "bare", "both"] = "errmsg"
    """`prepare failed` beside `ret`; `ret` alone; `errcode` too."""
    id_style: Literal["number", "string", "none", "empty_object", "empty_body"] = "number"
    ret_on_success: Literal["not_in_getupdates", "everywhere"] = "not_in_getupdates"
    dup_client_id: Literal["deliver", "dedupe"] = "deliver"
    max_text_bytes: Count = 16_384
    truncate_at: Count | None = None
    """Longer texts reach the phone cut to so many characters, and nobody is told."""

    # a test aid, not Tencent's behaviour
    request_checks: bool = True
    """A request that breaks the protocol is answered HTTP 400 with the reason."""

    def changed(self, **changes: object) -> "Parameters":
        """A copy with `changes`; JSON shapes (lists for tuples) are fine.

        Raises ValueError for an unknown name, a wrong type or a value out of range.
        """
        try:
            return msgspec.convert(msgspec.structs.asdict(self) | changes, Parameters)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error


FIELD = Parameters()

HARSH = Parameters(
    context_check="strict",
    quota_scope="token",
    count_refused=True,
    penalty_s=3_600.0,
    window_s=39_600.0,
    cursor_mode="consume",
    dup_client_id="deliver",
    takeover_delay_s=29.0,
)

EASY = Parameters(
    id_style="none",
    cursor_mode="replay",
    dup_client_id="dedupe",
    unknown_token="http401",
    burst=(),
    ret_on_success="everywhere",
)

DEMO = Parameters(burst=())
"""`field` without the limiter, for people who click faster than a second."""

PROFILES: dict[str, Parameters] = {"field": FIELD, "harsh": HARSH, "easy": EASY, "demo": DEMO}
