"""`pip install .` brings the packages of requirements.txt, and nothing of this folder, which is run from its clone."""

from pathlib import Path

from setuptools import setup

LINES = Path(__file__).with_name("requirements.txt").read_text(encoding="utf-8").splitlines()

setup(packages=[], py_modules=[], install_requires=[line for line in LINES if "==" in line])
