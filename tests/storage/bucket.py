"""A bucket on a server of S3 on this machine, and folders that have the repository and nothing else, as machines do."""

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import boto3
from moto.server import ThreadedMotoServer

from tests import forked
from tests.conftest import ROOT
from tests.small_study import STUDY

NAME, PREFIX = "bucket", "mine"


class Bucket:
    """What is in the bucket that studies use here, below the prefix that they are told."""

    def __init__(self, url: str):
        self.url = url
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
        self.client = boto3.client("s3", endpoint_url=url, **keys)
        self.client.create_bucket(Bucket=NAME)

    def files(self) -> set[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=NAME, Prefix=f"{PREFIX}/")
        return {found["Key"].removeprefix(f"{PREFIX}/") for page in pages for found in page.get("Contents", [])}

    def read(self, file: str) -> bytes:
        return self.client.get_object(Bucket=NAME, Key=f"{PREFIX}/{file}")["Body"].read()

    def remove(self, file: str) -> None:
        self.client.delete_object(Bucket=NAME, Key=f"{PREFIX}/{file}")

    def ask(self, machine: Path, *args: str) -> CompletedProcess:
        """What Snakemake does on a machine, with all files of the study in this bucket."""
        return forked.run(
            "-m", "snakemake", "--configfile", "study.yaml", "--cores", "2", "--default-storage-provider", "s3",
            "--default-storage-prefix", f"s3://{NAME}/{PREFIX}", "--storage-s3-endpoint-url", self.url, *args,
            cwd=machine, timeout=1800,
            env={**os.environ, "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"},
        )  # fmt: skip

    def run(self, machine: Path, *args: str) -> str:
        """What it says in a run that must succeed."""
        done = self.ask(machine, *args)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@contextlib.contextmanager
def bucket() -> Iterator[Bucket]:
    """An empty bucket, on a server that ends with the block."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # or it says each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield Bucket("http://{}:{}".format(*server.get_host_and_port()))
    finally:
        server.stop()


def machine(folder: Path, book: Path | None) -> Path:
    """A copy of the repository; with a book of tunes, or with no source of any corpus."""
    ours = ("Snakefile", "config.yaml", "rules", "workflow", "profiles", "envs", "docs/original-study")
    folder.mkdir()
    for name in ours:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    (folder / "study.yaml").write_text(STUDY)
    if book:
        (folder / "data" / "raw").mkdir(parents=True)
        shutil.copy(book, folder / "data" / "raw")
    return folder
