"""A real SLURM on this machine alone, for as long as a `with` block lasts, in a folder of its own."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "squeue", "scancel", "scontrol")
# Two GPUs that are none, so that SLURM has something to hand out.
GRES = "NodeName={host} Name=gpu File=/dev/null\nNodeName={host} Name=gpu File=/dev/zero\n"
CONFIG = """
ClusterName=onemachine
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort=26817
SlurmdPort=26818
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
ReturnToService=2
MinJobAge=86400
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=1000000 Gres=gpu:2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
# SLURM's own environment is dropped between a job and its step, and with it the place of the config.
SRUN = """#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""


def install() -> None:
    """Debian's packages, if they are missing; nothing that they bring is started."""
    if all(map(shutil.which, PROGRAMS)):
        return
    refuse = Path("/usr/sbin/policy-rc.d")  # asked by Debian's packages before they start a daemon
    ours = not refuse.exists()
    if ours:
        refuse.write_text("#!/bin/sh\nexit 101\n")
        refuse.chmod(0o755)
    try:
        apt = ["apt-get", "-o", "Dpkg::Use-Pty=0", "-qq"]
        subprocess.run([*apt, "update"], check=True)
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run([*apt, "install", "-y", "--no-install-recommends", "slurm-wlm", "munge"], check=True, env=env)
    finally:
        if ours:
            refuse.unlink()


@contextlib.contextmanager
def cluster(folder: Path, cpus: int) -> Iterator[dict[str, str]]:
    """Start munge and SLURM; yields the environment in which SLURM's commands find them. Nothing of it stays."""
    host = socket.gethostname().split(".")[0]
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)  # munge insists
    conf, key, srun = folder / "slurm.conf", folder / "munge.key", folder / "bin" / "srun"
    conf.write_text(CONFIG.format(host=host, folder=folder, cpus=cpus))
    (folder / "gres.conf").write_text(GRES.format(host=host))
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    srun.write_text(SRUN.format(folder=folder, srun=shutil.which("srun")))
    srun.chmod(0o755)
    env = {**os.environ, "SLURM_CONF": str(conf)}
    munge = ["munged", "--foreground", "--force", "--key-file", key, "--socket", folder / "munge.socket"]
    munge += ["--pid-file", folder / "munge.pid", "--log-file", folder / "munge.log", "--seed-file", folder / "seed"]
    daemons = []
    try:
        daemons.append(start(munge, env, folder))
        wait_for(lambda: (folder / "munge.socket").exists(), "munge")
        daemons.append(start(["slurmctld", "-D"], env, folder))
        daemons.append(start(["slurmd", "-D"], env, folder))
        wait_for(lambda: ask(["sinfo", "--noheader", "--format=%T"], env) == "idle", "an idle node")
        yield env
    finally:
        end(env)
        for daemon in daemons:
            daemon.wait()


def start(command: list, env: dict[str, str], folder: Path) -> subprocess.Popen:
    """A daemon in the foreground of a session of its own: Ctrl-C at this script must not reach it before its jobs."""
    with open(folder / f"{command[0]}.out", "wb") as output:
        return subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)


def end(env: dict[str, str]) -> None:
    with contextlib.suppress(subprocess.CalledProcessError, TimeoutError):  # it may not have come up
        subprocess.run(["scancel", "--quiet", "--user", "root"], env=env, check=True, timeout=30)
        wait_for(lambda: ask(["squeue", "--noheader"], env) == "", "an empty queue")
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for pid in processes_of(env):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sent)
        with contextlib.suppress(TimeoutError):
            wait_for(lambda: not processes_of(env), "SLURM to end", seconds=20)


def processes_of(env: dict[str, str]) -> list[int]:
    """Every process that was started with this cluster's config: daemons, their helpers and what is left of jobs."""
    mark = f"SLURM_CONF={env['SLURM_CONF']}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if mark in path.read_bytes().split(b"\0") and (pid := int(path.parent.name)) != os.getpid():
                found.append(pid)
    return found


def ask(command: list[str], env: dict[str, str]) -> str:
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60).stdout.strip()


def wait_for(ready, what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {seconds} s")
        time.sleep(0.2)
