"""`bottalk send`: a push from a shell, and the truth about it as an exit code."""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
import httpx

from bottalk.cli.exits import BAD_KEY, OK, UNAVAILABLE, USAGE, WAITING
from bottalk.loopback import is_loopback

KEY = "BOTTALK_SEND_KEY"
KEY_FILE = Path("~/.config/bottalk/key")
URL = "BOTTALK_URL"
DEFAULT_URL = "http://127.0.0.1:3000"

MARGIN_S = 10.0
"""Seconds beyond the wait asked for after which the server has failed: it answers at once when the wait is over."""

_KEPT = "kept: it is sent as soon as WeChat takes it"


class _WrongUsage(click.UsageError):
    exit_code = USAGE


class _Send(click.Command):
    """Scripts tell its outcomes apart by the codes of sysexits.h, wrong usage too, for which click has 2."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - click's signature
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as e:
            raise _WrongUsage(e.format_message(), e.ctx) from e


@click.command(cls=_Send)
@click.argument("title", required=False, default="")
@click.argument("text", required=False)
@click.option(
    "--key", help=f"SendKey. Others on this machine see it in the list of processes; better: {KEY}, --key-file."
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"File that holds the SendKey [default: {KEY_FILE}, if it is there].",
)
@click.option("--url", envvar=URL, default=DEFAULT_URL, show_default=True, help=f"The service [{URL}].")
@click.option("--channel", help="Channel ids (1,3), `all`, or `default`.")
@click.option("--wait", type=click.FloatRange(0, 20), help="Seconds to wait for the outcome [default: 3].")
@click.option("--ttl", type=click.FloatRange(60, 604800), help="Seconds after which it is worth nothing any more.")
@click.option("--delay", type=click.FloatRange(0, 2592000), help="Seconds until it may go.")
@click.option("--priority", type=click.Choice(["urgent", "normal", "low"]), help="[default: normal]")
@click.option("--replace-key", help="A waiting push with the same key gives way to this one.")
@click.option("--idempotency-key", help="The same key again within a day sends nothing twice.")
@click.option("--json", "as_json", is_flag=True, help="Print the service's whole answer.")
def send(
    title: str,
    text: str | None,
    key: str | None,
    key_file: Path | None,
    url: str,
    as_json: bool,
    **options: str | float | None,
) -> None:
    """Push a title and a text to your WeChat.

    Without TEXT, or with - for it, the text is read from standard input when that is a pipe or a file. Markdown is
    shown as far as WeChat shows it.

    The SendKey comes from --key, else --key-file, else the environment's BOTTALK_SEND_KEY, else ~/.config/bottalk/key.

    \b
    Examples:
      bottalk send "backup done"
      df -h | bottalk send "disk report"
      bottalk send --priority urgent --wait 10 "db1 is down" "no answer for 5 minutes"

    \b
    Exit codes:
      0   sent: WeChat has taken it
      75  waiting: it is kept, and sent as soon as WeChat takes it; do not send it again
      69  failed: nothing was kept, or the service cannot be reached
      77  the SendKey is missing or not valid
      64  wrong usage, of an option that is not known too
    """
    desp = _text(text)
    if not title.strip() and not desp.strip():
        _end("there is nothing to send: give a title, or a text", USAGE)
    once = options.pop("idempotency_key")
    if once is not None and not _fits_a_header(str(once)):
        _end("--idempotency-key must be 1 to 255 printable ASCII characters", USAGE)
    body: dict[str, Any] = {"title": title, "desp": desp} | {k: v for k, v in options.items() if v is not None}
    headers = {"Authorization": f"Bearer {_key(key, key_file)}"} | ({"Idempotency-Key": str(once)} if once else {})
    answer = _post(url.rstrip("/") + "/notify", body, headers)
    code, words = _verdict(answer)
    if as_json:
        click.echo(answer.text)
    if not as_json or code != OK:
        click.echo(words, err=code != OK)
    sys.exit(code)


def _text(given: str | None) -> str:
    if given is not None and given != "-":
        return given
    if given is None and sys.stdin.isatty():
        return ""
    raw: bytes = sys.stdin.buffer.read()
    return raw.decode(errors="replace").rstrip("\n")


def _key(given: str | None, file: Path | None) -> str:
    """What cannot be sent in a header is no key: the HTTP client's error would repeat it."""
    path = file or KEY_FILE.expanduser()
    if not given and file is None:
        given = os.environ.get(KEY)
    found = (given or _key_in(path, is_named=file is not None)).strip()
    if not _fits_a_header(found):
        _end(f"no usable SendKey: set {KEY}, or write it to {path}, or name its file with --key-file", BAD_KEY)
    return found


def _key_in(path: Path, *, is_named: bool) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        if is_named:
            _end(f"the SendKey cannot be read from {path}: {getattr(e, 'strerror', None) or 'not text'}", BAD_KEY)
        return ""


def _fits_a_header(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()


def _post(url: str, body: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
    patience = float(body.get("wait", 3.0)) + MARGIN_S
    try:
        # the environment's proxies are for the world outside, and httpx takes them for loopback too
        with httpx.Client(timeout=patience, trust_env=not is_loopback(httpx.URL(url).host)) as client:
            return client.post(url, json=body, headers=headers)
    except httpx.TimeoutException:
        _end(f"{url} did not answer within {patience:g} s: whether the push was kept is not known", UNAVAILABLE)
    except (httpx.TransportError, httpx.InvalidURL, ValueError) as e:
        _end(f"{url} cannot be reached ({e}): does the service run, is --url right?", UNAVAILABLE)


def _verdict(answer: httpx.Response) -> tuple[int, str]:
    """The exit code, and one line."""
    try:
        found = answer.json()
        code, message, rows = found["code"], found["message"], found["data"]["results"]
    except (ValueError, KeyError, TypeError):
        return UNAVAILABLE, f"HTTP {answer.status_code} is no answer of BotTalk: is --url right?"
    if code == 0:
        return (OK, "sent") if message == "success" else (WAITING, _KEPT)
    if any(row.get("queued") for row in rows):
        return WAITING, f"{_KEPT}. {found['data'].get('hint', '')}".strip()
    if code == 40001:
        return BAD_KEY, "the service does not know this SendKey, or it was reset or disabled"
    if code in (40000, 40003, 40005):
        return USAGE, message
    return UNAVAILABLE, f"failed: {message}"


def _end(words: str, code: int) -> NoReturn:
    click.echo(f"bottalk: {words}", err=True)
    sys.exit(code)
