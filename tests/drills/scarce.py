"""`python -m tests.drills.scarce NUMBER ARGUMENTS…`: `python -m bottalk ARGUMENTS…` with so many open files at most."""

import resource
import sys

from bottalk import cli

if __name__ == "__main__":
    number = int(sys.argv.pop(1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))
    cli.main()
