"""The console's own CSS, scripts and pictures, read once and served from memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Not `mimetypes`: it asks the machine, and a module script with a wrong type is not run."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it goes out. `etag` is unquoted."""

    body: bytes
    content_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All files by name, and a stamp that changes when any of them does.

    The stamp is a folder in their addresses, so that modules which import each other by relative
    names never mix two versions, and a browser may keep them for ever.
    """

    files: Mapping[str, Asset]
    stamp: str


def load(folder: Path) -> Assets:
    """Read every file of `folder`. Raises OSError, and ValueError for a file of unknown type."""
    files: dict[str, Asset] = {}
    total = sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix not in _TYPES:
            raise ValueError(f"{path}: no content type is known for {path.suffix!r}")
        body = path.read_bytes()
        digest = sha256(body).hexdigest()
        total.update(f"{path.name} {digest}\n".encode())
        files[path.name] = Asset(body, _TYPES[path.suffix], digest[:16])
    return Assets(files, total.hexdigest()[:12])
