"""Starts `python` without the seconds that torch takes to load, by forking a process that has loaded it.

    done = run("-m", "workflow.scripts.train", "--help")
    process = Python(["-m", "snakemake", "--cores", "1"], cwd=folder, start_new_session=True, stdout=subprocess.PIPE)

`Python(words, ...)` is `subprocess.Popen([sys.executable, *words], ...)`: it takes the same options (cwd, env, stdin,
stdout, stderr, text, start_new_session) and has the same methods, and its process is a real one with a number of its
own, that can be killed. `run(*words, cwd=, env=, input=, timeout=)` is `subprocess.run` of it with its output as
text. The words are those that Python takes: ``-m module``, ``-c code`` or a file, and then arguments.

All that differs from a cold start:

- Modules of others (`PRELOADED`) are there already, and have read their environment: HOME, MPLCONFIGDIR, what
  starts with OMP_ or PYTHON (but for PYTHONPATH), and so on are those of the server. Modules of ours never are. A
  command that forgets to import something that another package of `PRELOADED` imports is not found out.
- The interpreter is not taken apart at the end: threads are waited for, what is registered to run at the exit runs and
  files are flushed, as always, and then the process ends.
- A process starts with the memory of the server (some hundred MB), which counts as its own.

Each command has a test that starts it cold, and so is the first job of each in the tests of the workflow.

Two servers take turns, so that of two processes started one after the other each has its own random hashes: what
should not depend on the order of a set must be the same in both.
"""

import atexit
import contextlib
import gc
import importlib
import itertools
import json
import multiprocessing.process
import os
import runpy
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import types
import weakref
from pathlib import Path
from typing import NoReturn

SERVERS = "ABC_TEST_SERVERS"  # names the folder of their sockets to all that pytest starts
NAMES = ("a", "b")
PRELOADED = (
    "ftfy", "jsonschema", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf", "matplotlib.pyplot",
    "multiprocessing.pool", "numba", "numpy", "pandas", "pydivsufsort", "rapidfuzz.process", "safetensors.torch",
    "scipy.optimize", "scipy.stats", "smart_open", "snakemake.cli", "snakemake.report.html_reporter", "symusic",
    "tokenizers", "torch", "torch.distributed", "tqdm", "yaml", "yte", "zstandard",
)  # fmt: skip
turn = itertools.cycle(NAMES)


class Python(subprocess.Popen):
    """A Popen whose process is forked from a server; see above."""

    def _execute_child(
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, restore_signals, gid, gids, uid, umask,
        start_new_session, process_group,
    ):  # fmt: skip
        folder = Path(os.environ[SERVERS])
        request = {
            "words": [os.fspath(word) for word in args],
            "cwd": os.path.abspath(cwd or "."),
            "env": dict(os.environ if env is None else env),
            "new_session": start_new_session,
        }
        files = [own if given == -1 else given for own, given in enumerate((p2cread, c2pwrite, errwrite))]
        name = next(turn)
        self.server = socket.socket(socket.AF_UNIX)
        try:
            self.server.connect(str(folder / name))
            socket.send_fds(self.server, [b"."], files)
            self.server.sendall(json.dumps(request).encode())
            self.server.shutdown(socket.SHUT_WR)
            self.pid = self._next_number()
        except OSError as error:
            raise RuntimeError(f"no process was forked: {(folder / f'{name}.log').read_text()}") from error
        finally:
            self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)
        self._child_created = True

    def _next_number(self) -> int:
        """The next number that the server says: of the process, and then its exit status."""
        if not (answer := self.server.recv(4)):
            raise ConnectionError("the server has ended")
        return struct.unpack("i", answer)[0]

    def _try_wait(self, wait_flags):
        if wait_flags == os.WNOHANG and not select.select([self.server], [], [], 0)[0]:
            return 0, 0
        status = self._next_number()
        self.server.close()
        return self.pid, status

    def _internal_poll(self, _deadstate=None, **_):
        if self.returncode is None and self._waitpid_lock.acquire(False):
            try:
                pid, status = self._try_wait(os.WNOHANG)
                if pid:
                    self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode


def run(*words: object, input: str | None = None, timeout: float = 300, **options) -> subprocess.CompletedProcess:
    """Start `python *words`, wait for its end, and return its exit status and what it wrote."""
    pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    with Python([str(word) for word in words], stdin=stdin, text=True, **{**pipes, **options}) as process:
        try:
            out, err = process.communicate(input, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@contextlib.contextmanager
def servers():
    """Start the servers, which load nothing before they are asked for a process; they end with the block."""
    folder = Path(tempfile.mkdtemp(prefix="forked."))
    os.environ[SERVERS] = str(folder)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        for name in NAMES:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(folder / name))
            listener.listen(64)
            with open(folder / f"{name}.log", "w") as log:
                # Ends when its input does, and so with us, however we end.
                server = subprocess.Popen(
                    [sys.executable, __file__, str(listener.fileno())], pass_fds=[listener.fileno()], env=env,
                    cwd=folder, stdin=subprocess.PIPE, stdout=log, stderr=log,
                )  # fmt: skip
            stack.enter_context(server)
        write_python(folder)
        yield


def write_python(folder: Path) -> None:
    """Write `jobs_python`."""
    job = [sys.executable, "-SEs", os.path.join(os.path.dirname(__file__), "forked_job.py"), str(folder)]
    script = folder / "bin" / "python"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {shlex.join(job)} "$@"\n')
    script.chmod(0o755)


def jobs_python() -> str:
    """A `python` whose `-m workflow.scripts.x` is cold once in a folder and then forked: see `tests.forked_job`.

    Such a process is in no group with the one that started it, and outlives it if that is killed.
    """
    return str(Path(os.environ[SERVERS]) / "bin" / "python")


def serve(listener: socket.socket) -> None:
    """Fork a process for each that connects, and tell it the number of it and then how it ended."""
    sys.path.remove(os.path.dirname(__file__))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for pytest to deal with
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)  # only so that it wakes
    running: dict[int, socket.socket] = {}
    loaded = False
    while True:
        ready, _, _ = select.select([sys.stdin, woken, listener], [], [])
        if sys.stdin in ready:  # at its end
            return
        if woken in ready:
            woken.recv(4096)
            for pid in tuple(running):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    tell(running.pop(pid), status).close()
        if listener in ready:
            connection, _ = listener.accept()
            if not loaded:
                load()
                loaded = True
            pid = fork(connection)
            running[pid] = tell(connection, pid)


def tell(connection: socket.socket, number: int) -> socket.socket:
    with contextlib.suppress(ConnectionError):  # nobody waits for it any more
        connection.sendall(struct.pack("i", number))
    return connection


def load() -> None:
    path = sys.path.copy()
    for name in PRELOADED:
        importlib.import_module(name)
    sys.path[:] = path  # snakemake adds to it
    import numba
    import numpy as np
    import snakemake.cli

    numba.njit(lambda x: x.sum())(np.zeros(1))  # the first function loads much that others use
    snakemake.cli.get_argument_parser()  # looks for plugins
    threads = threading.active_count() if sys.platform != "linux" else len(os.listdir("/proc/self/task"))
    assert threads == 1, "only one of several threads lives on in a forked process"
    assert not any(name.split(".")[0] in ("tests", "workflow") for name in sys.modules)
    for last in weakref.finalize._registry:
        last.atexit = False  # or torch takes itself apart in each process
    gc.collect()
    gc.freeze()  # a process that collects garbage need not copy all this


def fork(connection: socket.socket) -> int:
    """Fork the process that is asked for; its number."""
    _, files, *_ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as stream:
        request = json.load(stream)
    if (pid := os.fork()) == 0:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for number, file in enumerate(files):
                os.dup2(file, number)
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            end(python(**request))
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
            os._exit(1)
    for file in files:  # whoever reads them waits until they are closed everywhere
        os.close(file)
    return pid


def end(code: int) -> NoReturn:
    """End with an exit status, or by a signal if it is negative."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def python(words: list[str], cwd: str, env: dict[str, str], new_session: bool) -> int:
    """Do what Python does with these words, in a process for that alone; its exit status."""
    import numba
    import numpy as np
    import torch

    os.chdir(cwd)
    if new_session:
        os.setsid()
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None
    multiprocessing.process.ORIGINAL_DIR = cwd
    numba.config.reload_config()
    np.random.seed()  # or all processes would draw as the server would
    torch.default_generator.seed()
    first = {"-m": cwd, "-c": ""}.get(words[0], os.path.dirname(os.path.abspath(words[0])))
    sys.path[:0] = [first, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    code = 0
    try:
        execute(words)
    except SystemExit as error:
        code = status_of(error.code)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        code = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        return 120
    return code


def execute(words: list[str]) -> None:
    if words[0] == "-m":
        sys.argv = ["-m", *words[2:]]  # until the module is found
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        exec(words[1], main.__dict__)
    else:
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


def status_of(code: object) -> int:
    """The exit status for what SystemExit was given."""
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    print(code, file=sys.stderr)
    return 1


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
