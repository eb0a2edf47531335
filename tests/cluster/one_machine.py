"""A real SLURM of two nodes on this machine alone, for as long as a `with` block lasts, in a folder of its own.

A node is a daemon: one has no GPUs, the other two that are none. Its partitions are those of
profiles/slurm/partitions.yaml.
"""

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
CPU_NODE, GPU_NODE = "cpu1", "gpu1"
# Files in place of GPUs, so that SLURM has something to hand out.
GPUS = "gpu:a100:1,gpu:h100:1"
GRES = f"""
NodeName={GPU_NODE} Name=gpu Type=a100 File=/dev/null
NodeName={GPU_NODE} Name=gpu Type=h100 File=/dev/zero
"""
CONFIG = """
ClusterName=onemachine
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={ports[0]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
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
NodeName=DEFAULT CPUs={cpus} RealMemory=1000000 State=UNKNOWN
NodeName={cpu_node} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]}
NodeName={gpu_node} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} Gres={gres}
PartitionName=cpu Nodes={cpu_node} Default=YES MaxTime=2-00:00:00 State=UP
PartitionName=gpu Nodes={gpu_node} MaxTime=4:00:00 State=UP
PartitionName=gpu_long Nodes={gpu_node} MaxTime=2-00:00:00 State=UP
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
    names = {"host": host, "cpu_node": CPU_NODE, "gpu_node": GPU_NODE, "gres": GPUS}
    conf.write_text(CONFIG.format(**names, folder=folder, cpus=cpus, ports=free_ports(3)))
    (folder / "gres.conf").write_text(GRES)
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
        for node in (CPU_NODE, GPU_NODE):
            daemons.append(start(["slurmd", "-D", "-N", node], env, folder, node))
        wait_for(lambda: ask(["sinfo", "-hNo", "%N %T"], env).split().count("idle") == 3, "idle nodes")
        yield env
    finally:
        end(env)
        for daemon in daemons:
            daemon.wait()


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def start(command: list, env: dict[str, str], folder: Path, name: str = "") -> subprocess.Popen:
    """A daemon in the foreground of a session of its own: Ctrl-C at this script must not reach it before its jobs."""
    with open(folder / f"{name or command[0]}.out", "wb") as output:
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
