"""Secrets that the environment names by file: `…_FILE` variables and systemd's credentials."""

from collections.abc import Iterable, Mapping
from pathlib import Path

CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""systemd sets it for a unit with LoadCredential= or SetCredential=: a directory of files, one for each credential."""

LARGEST = 65536
"""Bytes of such a file at most: whoever names a larger one has named the wrong file."""


class SecretFileError(ValueError):
    """The file cannot be used; the text names it and never its contents."""


def of_variable(environ: Mapping[str, str], name: str) -> str | None:
    """What the file named by `{name}_FILE` holds; None where that variable is not set. Raises SecretFileError."""
    path = environ.get(f"{name}_FILE", "")
    return read(Path(path)) if path else None


def of_credentials(environ: Mapping[str, str], setting: str) -> str | None:
    """The unit's credential of that name, the setting's own (`session_secret`). Raises SecretFileError."""
    directory = environ.get(CREDENTIALS, "")
    path = Path(directory, setting) if directory else None
    return read(path) if path is not None and path.exists() else None


def read(path: Path) -> str:
    """The file's text without the line end that editors add. Raises SecretFileError."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        text = raw.decode()
    except OSError as e:
        raise SecretFileError(f"{path} cannot be read: {e.strerror}") from None
    except UnicodeDecodeError:
        raise SecretFileError(f"{path} is not text in UTF-8") from None
    text = text.rstrip("\r\n")
    if len(raw) > LARGEST or not text:
        raise SecretFileError(f"{path} is {'too large' if text else 'empty'}: it must hold the secret and nothing else")
    return text


def variables(names: Iterable[str]) -> set[str]:
    """The variables by which these may be read from files."""
    return {f"{name}_FILE" for name in names}
