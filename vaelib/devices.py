"""Where to compute: the device of a run, and what it can do."""

from __future__ import annotations

import torch

from vaelib.checks import ConfigError, invalid
from vaelib.errors import error_message


def pick_device(name: str) -> torch.device:
    """Return the device `name`; "auto" is CUDA, else Apple's GPU, else the CPU.

    Raises ConfigError if the device is not available.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device in available if available[device])
    if not available[name]:
        raise ConfigError(
            f"device is {name!r}, which is not available on this machine or in this "
            "build of torch: give auto or cpu."
        )
    return torch.device(name)


def has_bfloat16(device: torch.device) -> bool:
    """Return whether products of bfloat16 are faster on this device than of float32.

    On a CPU they are if it has instructions for them: Intel's with AMX, AMD's from Zen
    4. On others they took up to eight times as long.
    """
    if device.type == "cpu":
        found = torch.cpu.get_capabilities()
        return found.get("amx_bf16", False) or found.get("avx512_bf16", False)
    return device.type == "cuda" and torch.cuda.is_bf16_supported(
        including_emulation=False
    )


def require_compiler(device: torch.device) -> None:
    """Raise ConfigError if torch.compile does not work on this machine."""
    try:
        torch.compile(torch.neg)(torch.ones(1, device=device))
    except Exception as error:
        raise invalid(
            "compile",
            True,
            f"torch.compile does not work here ({error_message(error)}): install a C++ "
            "compiler such as g++, or leave it out",
        ) from None
