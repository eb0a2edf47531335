"""`python` of a study's jobs in the tests: the first job of each command starts cold, as its users start it.

Those that follow in the same study are forked, as `tests.forked` has it. Run by the script `tests.forked.jobs_python`,
for each job: so it loads little.
"""

import json
import os
import signal
import socket
import struct
import sys

STARTED = ".started"  # folder of a study, with an empty file for each command that was started


def cold(words: list[str]) -> bool:
    """Whether these words are no command of ours, or the first of its name in this folder."""
    if words[:1] != ["-m"] or not words[1].startswith("workflow.scripts."):
        return True
    os.makedirs(STARTED, exist_ok=True)
    try:
        os.close(os.open(os.path.join(STARTED, words[1]), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def forked(server: str, words: list[str]) -> int:
    """Have a process forked with our files and environment, pass on signals, wait for it; its exit status."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(server)
    socket.send_fds(connection, [b"."], [0, 1, 2])
    request = {"words": words, "cwd": os.getcwd(), "env": dict(os.environ), "new_session": False}
    connection.sendall(json.dumps(request).encode())
    connection.shutdown(socket.SHUT_WR)
    (pid,) = struct.unpack("i", connection.recv(4))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(pid, number))
    (status,) = struct.unpack("i", connection.recv(4))
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code  # as a shell says it


if __name__ == "__main__":
    servers, words = sys.argv[1], sys.argv[2:]
    if cold(words):
        os.execv(sys.executable, [sys.executable, *words])
    sys.exit(forked(os.path.join(servers, "ab"[os.getpid() % 2]), words))
