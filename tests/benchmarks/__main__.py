"""Measure the daemon, and beside it what a bare Quart route gives on this very machine in this very run."""

import argparse
import sys

from tests.benchmarks.common import Scale
from tests.benchmarks.process import ChildFailed
from tests.benchmarks.scenarios import SCENARIOS
from tests.benchmarks.table import Figure, render


def main() -> int:
    """Run the named scenarios (all of them by default). 0 if each could be measured, 1 if not; goals do not count."""
    width = max(map(len, SCENARIOS))
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        epilog="scenarios:\n" + "\n".join(f"  {name:{width}}  {run.__doc__}" for name, run in SCENARIOS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a scenario; all of them by default")
    parser.add_argument("--quick", action="store_true", help="small and short: does it work? (figures are rough)")
    parser.add_argument("--profile", action="store_true", help="in `warm`: where the CPU time goes (costs some itself)")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in SCENARIOS]:
        parser.error(f"unknown scenario {unknown[0]!r}; there are {', '.join(SCENARIOS)}")

    figures: list[Figure] = []
    failed = False
    for name in options.names or SCENARIOS:
        print(f"{name}: {SCENARIOS[name].__doc__} …", file=sys.stderr, flush=True)
        try:
            figures.extend(SCENARIOS[name](Scale(options.quick, options.profile)))
        except ChildFailed as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
    if figures:
        print(render(figures))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
