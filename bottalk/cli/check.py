"""`bottalk check`: would this version start here? Asked before an upgrade, and before the way back."""

import click

from bottalk.cli.settings import with_settings
from bottalk.config import Config
from bottalk.store.database import is_there, readable
from bottalk.words import configured


@click.command()
@with_settings
def check(config: Config) -> None:
    """Say whether this version could run with these settings on this database. Changes nothing.

    All that `bottalk config check` looks at, the settings and the file of words, and then the database, as the account
    that the daemon runs as. The daemon may run meanwhile, in another version too. `deploy/install.sh` asks it of a new
    version before an upgrade, and of the old one before a rollback.

    Exit codes: 0 it could, 73 the database cannot be used, or not by this version, 78 a setting is wrong.
    """
    configured(config.words)
    path = config.database
    if not is_there(path):
        click.echo(f"the settings are right; {path} is not there yet and will be made")
        return
    found, known = readable(path)
    if found < known:
        click.echo(f"the settings are right; {path} has schema {found} and will be brought to {known}")
    elif found > known:
        click.echo(f"the settings are right; {path} has schema {found}, which this version ({known}) can work with")
    else:
        click.echo(f"the settings are right; {path} has this version's schema ({known})")
