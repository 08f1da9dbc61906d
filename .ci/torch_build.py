"""Print the pip options that install the build of torch for this machine.

On Linux, the torch of PyPI brings CUDA: 3.7 GB more than the build for CPUs. Where
there is no NVIDIA driver, the build for CPUs is taken: from the indexes that pip knows
already, or else from the index of PyTorch, if that answers within a few seconds.

    python .ci/torch_build.py [auto|cpu|cuda] [INDEX]

The options are on standard output. What happens, and why, is on standard error.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

INDEX = "https://download.pytorch.org/whl/cpu"
SMALL = "Installing PyTorch for the CPU into .venv: about a minute, 1.1 GB."
LARGE = "Installing PyTorch with CUDA into .venv: several minutes, 4.8 GB."


def main(build: str = "auto", index: str = INDEX) -> int:
    """Print the options, and return the exit status."""
    linux = sys.platform == "linux"
    driver = shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists()
    if build not in ("auto", "cpu", "cuda"):
        return say(f"TORCH is {build!r}: give auto, cpu or cuda.", 2)
    if build == "cuda" and not linux:
        page = "https://pytorch.org/get-started/locally"
        return say(f"TORCH=cuda is for Linux only: elsewhere follow {page}.", 2)
    if not linux:  # PyPI has no CUDA build
        return say(SMALL)
    if build == "cuda" or (build == "auto" and driver):
        return say(f"{LARGE} For the CPU only: TORCH=cpu.")
    if offers_cpu():
        return say(SMALL)
    if offers_cpu("--extra-index-url", index):
        print("--extra-index-url", index)
        return say(SMALL)
    why = f"PyTorch for the CPU is in no index of pip, and {index} does not answer"
    advice = "set PIP_EXTRA_INDEX_URL to a mirror of it"
    if build == "cpu":
        return say(f"{why}: {advice}, or leave out TORCH=cpu.", 2)
    return say(f"{why}.\n{LARGE} For 1.1 GB, stop it and {advice}.")


def offers_cpu(*options: str) -> bool:
    """Return whether pip finds the locked version of torch, built for CPUs."""
    lock = Path(__file__).parents[1] / "requirements.lock"
    [version] = re.findall(r"^torch==(.*)", lock.read_text("utf-8"), re.MULTILINE)
    command = [sys.executable, "-m", "pip", "index", "versions", "torch", *options]
    command += ["--timeout", "5", "--retries", "0"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:  # such as a name server that does not answer
        return False
    [available] = re.findall(r"^Available versions: (.*)", found.stdout, re.M) or [""]
    return f"{version}+cpu" in available.split(", ")


def say(message: str, status: int = 0) -> int:
    """Print a message for the user, and return an exit status."""
    print(message, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(*filter(None, sys.argv[1:])))
