"""Node programs in tests: libraries from npm in a folder of their own, or a plain skip."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

LIBRARIES = ("kafkajs@2.2.4", "@asyncapi/parser@3.6.6")
INSTALL = ("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1",
           "--fetch-timeout=30000")  # fmt: skip


def folder_with_libraries(folder: Path) -> Path:
    """Install the libraries into a folder and return it; skip where npm is missing or fails.

    Programs look for libraries beside themselves: copy them into the folder.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")
    (folder / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
    try:
        done = subprocess.run(
            [*INSTALL, *LIBRARIES], cwd=folder, capture_output=True, text=True, timeout=300
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not end within 300 s")
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "error" in line.lower()][:3]
        pytest.skip(f"npm cannot install {', '.join(LIBRARIES)}: {'; '.join(said)}")
    return folder


def run_node(folder: Path, program: str, *arguments: str, given: str = "") -> str:
    """Run a program in the folder and return what it prints; fail when it fails."""
    path = folder / "program.mjs"
    path.write_text(program, encoding="utf-8")
    done = subprocess.run(
        ["node", str(path), *arguments], input=given, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
