"""Unpacks the nginx that the tests here run, from the system's package archive; nothing is installed on the system.

`make test` runs it once. It needs apt-get and dpkg-deb (Debian, Ubuntu) but no root rights, unless the package lists
were never fetched. A machine that has nginx uses its own. Without either it says so and the tests that need it are
skipped, but under CI that is a failure.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PLACE = Path(sys.prefix) / "deploy"
READY = PLACE / ".ready"
PACKAGES = ("nginx", "nginx-light", "nginx-core")
"""Which of them brings the program differs from release to release."""


def nginx() -> str | None:
    """The program to run, if there is one."""
    unpacked = PLACE / "usr" / "sbin" / "nginx"
    return str(unpacked) if unpacked.exists() else shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def main() -> int:
    """The exit code: 0 unless this is CI and something is missing."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    try:
        if nginx() is None:
            _fetch()
        _check()
    except (OSError, subprocess.CalledProcessError) as e:
        print(f"tests/deploy: no nginx, its tests will be skipped: {e}", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    READY.touch()
    return 0


def _fetch() -> None:
    """Raises subprocess.CalledProcessError, or OSError when there is no apt-get."""
    try:
        _run("apt-get", "download", PACKAGES[0])
    except subprocess.CalledProcessError:
        if os.geteuid() != 0:
            raise
        _run("apt-get", "--quiet=2", "update")
    for package in PACKAGES:
        _run("apt-get", "--quiet=2", "download", package)
        for archive in PLACE.glob("*.deb"):
            _run("dpkg-deb", "--extract", str(archive), str(PLACE))
            archive.unlink()
        if nginx() is not None:
            return


def _check() -> None:
    """It runs: the libraries it was built with are there."""
    program = nginx()
    if program is None:
        raise FileNotFoundError(f"none of the packages {', '.join(PACKAGES)} brings it")
    _run(program, "-v")


def _run(*command: str) -> None:
    # not /tmp nor home: apt-get as root gives its unprivileged self no way in, warns and goes on
    subprocess.run(command, cwd=PLACE, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
