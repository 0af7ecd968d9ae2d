"""The collector's pace, in a process of its own: what it sets counts for a whole interpreter."""

import subprocess
import sys

PROGRAM = """
import gc
import weakref
from bottalk.ops import garbage


class Knot:
    def __init__(self):
        self.me = self


def churn(objects):
    for _ in range(objects):
        kept.append([])
    kept.clear()


kept = []
before = Knot()
garbage.settle()
young, old = Knot(), Knot()
gc.collect(1)  # now it is as old as what survives two young collections
refs = [weakref.ref(knot) for knot in (before, young, old)]
fresh = Knot()
refs.append(weakref.ref(fresh))
del before, young, old, fresh
for _ in range(5):
    churn(3 * garbage.YOUNG)
print([ref() is None for ref in refs])
print(garbage.collect() >= 2)
print([ref() is None for ref in refs])
"""


def test_young_garbage_goes_by_the_way_and_old_when_told() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    by_the_way, found, when_told = done.stdout.splitlines()
    assert by_the_way == "[False, False, False, True]"
    assert found == "True"
    assert when_told == "[False, True, True, True]", "what lived at the start stays out of its sight"
