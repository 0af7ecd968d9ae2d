"""`bottalk bind`: a QR code in the terminal, followed until its channel is active; then the SendKey."""

import io
import os
import re
import sys
import time
from pathlib import Path

import click
import segno

from bottalk.cli.exits import FAILED, OK, UNAVAILABLE
from bottalk.cli.scan import Bound, Code, NoAnswer, RefusedScan, Scan
from bottalk.cli.send import DEFAULT_URL, KEY_FILE, URL
from bottalk.cli.showing import fail, print_json, printable

POLL_S = 1.0
"""Seconds between two looks at a code: the daemon itself asks iLink no more often."""

DIGITS_AGAIN_S = 10.0
"""Seconds after digits were typed in before they are asked for again: the daemon hands them to iLink first."""

_SAID = {"scanned": "Scanned: confirm it on the phone."}


@click.command()
@click.option("--url", envvar=URL, default=DEFAULT_URL, show_default=True, help=f"The service [{URL}].")
@click.option("--invite", default="", help="The word for newcomers, where registration asks for one.")
@click.option(
    "--timeout",
    type=click.FloatRange(1, 86400),
    default=900.0,
    show_default=True,
    help="Seconds in all, until a word has come from the phone.",
)
@click.option("--save", is_flag=True, help=f"Write the SendKey to {KEY_FILE}, where `bottalk send` finds it.")
@click.option("--json", "json", is_flag=True, help="Print the channel and its SendKey as JSON.")
def bind(url: str, invite: str, timeout: float, save: bool, json: bool) -> None:
    """Bind a WeChat: show a QR code, follow its scan, and print the SendKey.

    Scan the code with WeChat, confirm, and write the bot any word. A code that has expired is followed by a new one;
    when the phone shows digits, they are asked for here. A WeChat that has an account already gets its SendKey again.
    What is to be done is told on standard error, and what came of it on standard output.

    The SendKey is a password: who has it can push to you, and sign in.

    \b
    Examples:
      bottalk bind
      bottalk bind --url https://push.example.org --save
      KEY=$(bottalk bind --json | jq -r .send_key)

    \b
    Exit codes:
      0   bound (also when the word to the bot has not come yet: then it is told)
      1   not bound: nobody scanned in time, the service refused, or Ctrl-C
      2   wrong usage
      69  the service cannot be reached, or has no QR code now
    """
    ends_at = time.monotonic() + timeout
    try:
        with Scan(url) as scan:
            bound = _follow(scan, invite, ends_at)
            is_active = bool(bound.send_key) and _activated(scan, bound, ends_at)
    except RefusedScan as e:
        fail(e, FAILED)
    except NoAnswer as e:
        fail(e, UNAVAILABLE)
    if save and bound.send_key:
        _save(bound.send_key)
    if json:
        shown = {
            "channel": bound.channel,
            "wechat_openid": bound.wechat,
            "is_new": bound.is_new,
            "activated": is_active,
        }
        print_json(shown | {"send_key": bound.send_key})
    else:
        _tell(bound, url.rstrip("/"), is_active)
    sys.exit(OK)


def _follow(scan: Scan, invite: str, ends_at: float) -> Bound:
    """Show codes until one is bound. Raises RefusedScan when the time is over, and what `scan` raises."""
    while time.monotonic() < ends_at:
        code = scan.new_code(invite)
        _show(code)
        said, digits, asked_at = "", "", 0.0
        while time.monotonic() < ends_at:
            try:
                found = scan.look(code, digits)
            except NoAnswer as e:  # an open code outlives a restart of the daemon
                said = _say_once(f"{e}; trying again", said)
                time.sleep(POLL_S)
                continue
            digits = ""
            if isinstance(found, Bound):
                return found
            if found in ("expired", "verify_code_blocked"):
                _say("The code has expired; here is another." if found == "expired" else "Too many wrong digits.")
                break
            if found == "need_verifycode" and (not asked_at or time.monotonic() - asked_at > DIGITS_AGAIN_S):
                digits, asked_at = _digits(is_again=bool(asked_at)), time.monotonic()
                continue
            said = _say_once(_SAID.get(found, ""), said)
            time.sleep(POLL_S)
    raise RefusedScan("nobody scanned a code and confirmed it in time; try again, or give it longer with --timeout")


def _show(code: Code) -> None:
    """The code where people look; a link instead where no terminal is."""
    if sys.stderr.isatty():
        drawn = io.StringIO()
        segno.make(code.url, error="l", micro=False).terminal(drawn, border=2, compact=True)
        _say(drawn.getvalue())
    _say(f"Scan the code with WeChat, or open this on the phone: {printable(code.url)}")


def _digits(*, is_again: bool) -> str:
    """What the phone shows; empty: go on waiting."""
    why = "The phone still asks for its digits (Enter: go on waiting)" if is_again else "The digits on the phone"
    while True:
        typed = str(click.prompt(why, default="", show_default=False, err=True)).strip()
        if re.fullmatch(r"[0-9]{0,20}", typed):
            return typed
        _say("Digits only.")


def _activated(scan: Scan, bound: Bound, ends_at: float) -> bool:
    """Wait for the word that opens the channel; False when it did not come in time, or somebody gave up waiting."""
    _say("Bound. Now write the bot any word in WeChat.")
    said = ""
    try:
        while time.monotonic() < ends_at:
            try:
                if scan.is_active(bound):
                    return True
            except NoAnswer as e:
                said = _say_once(f"{e}; trying again", said)
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        pass  # the scan has succeeded, and its key is still to be told
    return False


def _tell(bound: Bound, url: str, is_active: bool) -> None:
    who = printable(bound.wechat)
    if not bound.send_key:
        click.echo(
            f"{who} is a channel of an account that it does not own: its binding is renewed, no SendKey is given"
        )
        return
    if not is_active:
        _say("No word has come yet: pushes are kept back until you write the bot one.")
    click.echo(f"channel {bound.channel} of {who} is {'active' if is_active else 'bound'}\n")
    click.echo(f"SendKey: {bound.send_key}\n\n  curl -d 'title=Hello' {url}/{bound.send_key}.send")


def _save(key: str) -> None:
    """For this account alone to read. An older key there gives way."""
    path = KEY_FILE.expanduser()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".new")
        Path(unfinished).unlink(missing_ok=True)
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="ascii") as file:
            file.write(key + "\n")
        unfinished.replace(path)
    except OSError as e:
        _say(f"The SendKey could not be written to {path}: {e.strerror}")
    else:
        _say(f"The SendKey is in {path}.")


def _say_once(text: str, said: str) -> str:
    """Say it unless it was the last thing said; what was said last."""
    if text and text != said:
        _say(text)
    return text or said


def _say(text: str) -> None:
    if text:
        click.echo(text, err=True)
