"""Processes forked from the tests' server are what cold ones are, to whoever starts them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.forked import Python, jobs_python, run


def both(code: str, **options) -> list[tuple]:
    """(status, output, errors) of a program, cold and forked."""
    cold = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options)
    forked = run("-c", code, **options)
    return [(done.returncode, done.stdout, done.stderr) for done in (cold, forked)]


@pytest.mark.parametrize(
    "code",
    [
        "print('out'); import sys; print('err', file=sys.stderr)",
        "import sys; sys.exit()",
        "import sys; sys.exit(True)",
        "import sys; sys.exit(3)",
        "import sys; sys.exit(-1)",
        "import sys; sys.exit('error: a sentence')",
        "import os; os._exit(7)",
        "import os; os.kill(os.getpid(), 9)",
        "import os; os.kill(os.getpid(), 15)",
        "import os; os.abort()",
        "import atexit; atexit.register(print, 'at the exit'); print('before')",
        "import threading; threading.Timer(0.2, print, ['of a thread']).start(); print('before')",
        "import sys; sys.stdout.write('no line end')",
        "import sys; print(sys.argv, sys.stdin.read(), __name__)",
        "import os; print(os.getcwd(), sorted(os.environ))",
        "import signal; print([signal.getsignal(number) for number in range(1, 32)])",
        "import os; print(os.listdir('/proc/self/fd'))",
        "import tempfile; print(tempfile.gettempdir())",
        "import sys; print(sys.path)",
        "import torch; print(torch.get_num_threads(), torch.get_default_dtype())",
        "import torch; torch.set_num_threads(2); x = torch.ones(99, 99); print(torch.get_num_threads(), x @ x)",
        "import multiprocessing; print(multiprocessing.parent_process(), multiprocessing.get_start_method())",
    ],
)
def test_a_program_does_what_it_does_cold(code, tmp_path):
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "ADDED": "yes"}
    env.pop("PYTHONUNBUFFERED", None)
    cold, forked = both(code, cwd=tmp_path, env=env)
    assert forked == cold


def test_a_bug_ends_in_a_traceback():
    done = run("-c", "print('before'); 1 / 0")
    assert done.returncode == 1
    assert done.stdout == "before\n"
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert run("-c", "raise KeyboardInterrupt").returncode == -signal.SIGINT


def test_it_can_be_killed_interrupted_and_waited_for():
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 5)):
        program = """
            import time
            print("ready", flush=True)
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                raise SystemExit(5)
        """
        process = Python(["-c", "if True:" + program], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, 0)
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
        process.send_signal(number)
        assert process.communicate(timeout=30) == ("", None)
        assert process.poll() == process.returncode == code
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)


def test_a_session_of_its_own_is_killed_with_all_that_it_started():
    code = """if True:
        import subprocess, sys
        subprocess.Popen(["sleep", "60"])
        print("started", flush=True)
        sys.stdin.read()
    """
    process = Python(["-c", code], start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "started\n"
    assert os.getsid(process.pid) == process.pid
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert process.stdout.read() == ""  # comes when the last that holds the pipe has ended
    process.stdin.close()
    process.stdout.close()


def test_modules_of_ours_hashes_and_chance_are_its_own():
    """Another process has not imported them for it, nor ordered its sets, nor drawn its numbers."""
    code = "import sys; print(hash('a'), [name for name in sys.modules if name.split('.')[0] in ('tests', 'workflow')])"
    said = [run("-c", code).stdout.split(maxsplit=1) for _ in range(2)]
    assert [modules for _, modules in said] == 2 * ["[]\n"]
    assert said[0][0] != said[1][0]
    code = "import numpy, random, torch; print(numpy.random.rand(), random.random(), torch.rand(1).item())"
    draws = [run("-c", code).stdout.split() for _ in range(4)]
    assert len({number for numbers in draws for number in numbers}) == 12


def test_a_file_and_a_module_are_run_as_the_main_one(tmp_path):
    """And the processes that they spawn find it again."""
    (tmp_path / "spawner.py").write_text(
        "import multiprocessing, os, sys\n"
        "def job():\n"
        "    return os.getppid()\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.apply(job) == os.getpid(), sys.argv[1:])\n"
    )
    for words in (["-m", "spawner", "a"], ["spawner.py", "a"], [tmp_path / "spawner.py", "a"]):
        done = run(*words, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "True ['a']\n", ""), words


def test_a_package_sees_what_it_sees_cold_while_its_module_is_looked_for(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("import sys\nprint(sys.argv)\n")
    (tmp_path / "package" / "part.py").write_text("import sys\nprint(sys.argv, __name__, __spec__.name)\n")
    words = ["-m", "package.part", "a", "b"]
    cold = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True)
    assert run(*words, cwd=tmp_path).stdout == cold.stdout != ""


def test_one_that_does_not_end_in_time_is_killed():
    with pytest.raises(subprocess.TimeoutExpired):
        run("-c", "import time; time.sleep(60)", timeout=0.2)
    assert run("-c", "print(input())", input="said\n").stdout == "said\n"


def test_the_first_job_of_a_command_is_cold_and_those_that_follow_are_not(tmp_path):
    """And all the same to the shell that starts them."""
    package = tmp_path / "workflow" / "scripts"
    package.mkdir(parents=True)
    said = "import os, sys; print('torch' in sys.modules, sys.argv[1:], os.getcwd(), os.environ['X'], sys.stdin.read())"
    (package / "one.py").write_text(f"{said}; sys.exit(7)")
    (package / "another.py").write_text(f"{said}; sys.stdout.flush(); os.kill(os.getpid(), 9)")
    line = "X=y python -m workflow.scripts.{} --a 'b c' 2>&1"
    env = os.environ | {"PATH": f"{Path(jobs_python()).parent}:{os.environ['PATH']}"}
    for name, status in (("one", 7), ("another", 128 + 9)):
        words = ["sh", "-c", f"{line.format(name)}; exit $?"]
        for loaded in (False, True, True):
            done = subprocess.run(words, cwd=tmp_path, env=env, input="in", stdout=subprocess.PIPE, text=True)
            assert done.returncode == status
            assert done.stdout.startswith(f"{loaded} ['--a', 'b c'] {tmp_path} y in\n")
    plain = subprocess.run(
        ["python", "-c", "import sys; print(sys.modules.keys() & {'torch'})"], env=env, capture_output=True
    )
    assert plain.stdout == b"set()\n"


def test_a_forked_job_that_is_told_to_end_ends(tmp_path):
    package = tmp_path / "workflow" / "scripts"
    package.mkdir(parents=True)
    (package / "waits.py").write_text("import time; print('waits', flush=True); time.sleep(60)")
    env = os.environ | {"PATH": f"{Path(jobs_python()).parent}:{os.environ['PATH']}"}
    for _ in range(2):
        words = ["python", "-m", "workflow.scripts.waits"]
        with subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "waits\n"
            process.terminate()
            assert process.wait(30) in (-signal.SIGTERM, 128 + signal.SIGTERM)
            assert process.stdout.read() == ""  # which is closed: nobody lives on
