"""Podman in a folder of its own, for as long as a `with` block lasts, and the base image where no registry has it."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("podman", "buildah", "runc", "catatonit", "debootstrap", "docker-compose")
# Limits that any root may set; the engine's own ask for more than a container's root has.
CONTAINERS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
events_logger = "file"
cgroup_manager = "cgroupfs"
[network]
network_config_dir = "{folder}/networks"
"""
STORAGE = """
[storage]
driver = "{driver}"
graphroot = "{folder}/images"
runroot = "{folder}/run"
"""


def install() -> None:
    """Debian's packages, if they are missing; whatever they would start is not needed."""
    programs = {"catatonit": "/usr/bin/catatonit"}
    if all(shutil.which(programs.get(name, name)) for name in PACKAGES):
        return
    apt = ["apt-get", "-o", "Dpkg::Use-Pty=0", "-qq"]
    subprocess.run([*apt, "update"], check=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([*apt, "install", "-y", "--no-install-recommends", *PACKAGES], check=True, env=env)


@contextlib.contextmanager
def engine(folder: Path) -> Iterator[dict[str, str]]:
    """Start podman's service; yields the environment in which podman and docker-compose use it.

    Images stay in the folder, containers do not.
    """
    for name in ("networks", "images", "run"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    driver = "overlay" if can_overlay(folder) else "vfs"  # which copies the whole image for each layer
    (folder / "containers.conf").write_text(CONTAINERS.format(folder=folder))
    (folder / "storage.conf").write_text(STORAGE.format(folder=folder, driver=driver))
    socket = folder / "podman.sock"
    env = {
        **os.environ,
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "DOCKER_HOST": f"unix://{socket}",
        "DOCKER_BUILDKIT": "0",
        "COMPOSE_DOCKER_CLI_BUILD": "0",
    }
    env.pop("STORAGE_DRIVER", None)
    socket.unlink(missing_ok=True)
    with open(folder / "service.log", "wb") as log:
        # In a session of its own, since Ctrl-C at this script must not end it before its containers.
        command = ["podman", "system", "service", "--time", "0", f"unix://{socket}"]
        service = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        end = time.monotonic() + 60
        while not socket.exists():
            if service.poll() is not None or time.monotonic() > end:
                sys.exit(f"error: podman's service did not start: {(folder / 'service.log').read_text()}")
            time.sleep(0.2)
        yield env
    finally:
        subprocess.run(["podman", "rm", "--all", "--force", "--time", "0"], env=env, capture_output=True)
        service.terminate()
        service.wait()


def can_overlay(folder: Path) -> bool:
    """Whether this machine lets us lay one folder over another."""
    parts = {name: folder / "overlay" / name for name in ("lowerdir", "upperdir", "workdir", "merged")}
    for part in parts.values():
        part.mkdir(parents=True, exist_ok=True)
    options = ",".join(f"{name}={path}" for name, path in parts.items() if name != "merged")
    mount = ["mount", "-t", "overlay", "overlay", "-o", options, parts["merged"]]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        return False
    subprocess.run(["umount", parts["merged"]], check=True)
    return True


def make_base(image: str, folder: Path, env: dict[str, str]) -> None:
    """Debian with its Python 3.11 under the name of an image that is on a registry, unless it is here already.

    It has this machine's certificates and pip's settings, so that pip finds there what it finds here.
    """
    if subprocess.run(["podman", "image", "exists", image], env=env).returncode == 0:
        return
    tree = folder / "base"
    shutil.rmtree(tree, ignore_errors=True)
    packages = "ca-certificates,python3,python3-dev,python3-pip"
    run(["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", tree], env)
    # As the image has it: Python in /usr/local/bin, of which no package manager is in charge.
    (tree / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()
    for name, program in {"python": "python3", "python3": "python3", "pip": "pip3"}.items():
        (tree / "usr/local/bin" / name).symlink_to(f"/usr/bin/{program}")
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", tree / "etc/ssl/certs/ca-certificates.crt")
    settings = {"cert": "/etc/ssl/certs/ca-certificates.crt", "retries": "0", **pip_settings(tree)}
    lines = [f"{key} = {value}\n" for key, value in settings.items()]
    (tree / "etc/pip.conf").write_text("".join(["[global]\n", *lines]))
    container = run(["buildah", "from", "scratch"], env)
    run(["buildah", "add", "--quiet", container, tree, "/"], env)
    run(["buildah", "commit", "--quiet", "--rm", container, image], env)
    shutil.rmtree(tree)


def pip_settings(tree: Path) -> dict[str, str]:
    """Where pip looks for packages here, by key; folders of wheels are copied into the tree, other folders left out."""
    asked = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    settings = {}
    for line in asked.stdout.splitlines():
        key, value = line.split("=", 1)
        key, value = key.split(".")[-1], value.strip("'\"")
        if key == "index-url":
            settings[key] = value
        if key == "find-links" and Path(value).is_dir():
            shutil.copytree(value, tree / "opt/wheels", dirs_exist_ok=True)
            settings[key] = "/opt/wheels"
    return settings


def run(command: list, env: dict[str, str], **options) -> str:
    """What a command says that must succeed; never asks anybody."""
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}{done.stderr}\nFAILED: {' '.join(map(str, command))}")
    return done.stdout.strip()
