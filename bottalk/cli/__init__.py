"""The command line: a file per group of commands. Every command ends in an exit code."""

import click

from bottalk import __version__
from bottalk.cli.admin import admin
from bottalk.cli.backup import backup, restore
from bottalk.cli.bind import bind
from bottalk.cli.channels import channel
from bottalk.cli.check import check
from bottalk.cli.config import config
from bottalk.cli.demo import demo
from bottalk.cli.doctor import doctor
from bottalk.cli.importing import import_
from bottalk.cli.sandbox import sandbox
from bottalk.cli.send import send
from bottalk.cli.serve import serve
from bottalk.cli.status import status
from bottalk.cli.users import user


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bottalk")
def main() -> None:
    """BotTalk: one curl with a SendKey, and the text is on your WeChat.

    No accepted push is lost: it is written down first, sent as WeChat's limits allow, and the caller is told the truth.
    """


for command in (
    serve, send, bind, status, doctor, check, config, admin, user, channel, backup, restore, import_, demo, sandbox,
):  # fmt: skip
    main.add_command(command)
