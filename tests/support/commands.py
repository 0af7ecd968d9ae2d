"""`python -m tests.support.commands SOCKET`: forks `bottalk` commands that have imported everything already.

A page's worth of them, each a Python that starts from nothing, would take longer than all that they do.
"""

import json
import os
import signal
import socket
import sys

from bottalk.cli import main

LONGEST = 65_536
"""Bytes of a call: words, directory, environment."""

CLIENT = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as door:
    door.connect({path!r})
    call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(door, [call], [0, 1, 2])
    door.shutdown(socket.SHUT_WR)
    code = door.recv(1)
sys.exit(code[0] if code else "the command ended without an exit code")
"""
"""What stands in for the command: hands its words, place and streams over, and ends as it ended."""


def serve(path: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen()
        print("ready", flush=True)
        while True:
            caller, _ = door.accept()
            with caller:
                if os.fork() == 0:
                    answer(caller)


def answer(caller: socket.socket) -> None:
    """In a process of its own: run one command, and never return."""
    code = 255
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        words = take_the_place(caller)
        code = run(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        caller.sendall(bytes([code]))
        os._exit(code)


def take_the_place(caller: socket.socket) -> list[str]:
    call, streams, _, _ = socket.recv_fds(caller, LONGEST, 3)
    while more := caller.recv(LONGEST):
        call += more
    words, directory, environ = json.loads(call)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environ)
    return [str(word) for word in words]


def run(words: list[str]) -> int:
    try:
        main(words, prog_name="bottalk")
    except SystemExit as e:
        return e.code if isinstance(e.code, int) else int(e.code is not None)
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
