"""Texts, numbers and bytes that programs often get wrong; damage to good ones."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np

# No name in `PATHS` leads to a place outside of the folder of a case.
PATHS = (
    *("", " ", ".", "..", "../up", "-", "--", "-x", "~", "~/x", "~nobody/x", "$HOME"),
    *("con", "nul.txt", "x.", "x ", " x", "latest", "LATEST", "latest.txt", ".hidden"),
    *("a/b/c", "a\\b", "pics", "pics/00.png", "pics/00.png/x", "reports", "a//b"),
    *("a\nb", "a\rb", "a\tb", "a\0b", "a\x1b[31mb", "a\x7fb", "a\x85b", "a\u2028b"),
    *("a\u202eb", "\u2066a\u2069", "a\u200fb", "\u200ea", "a\ufeffb", "a\udcffb"),
    *("é", "e\u0301", "日本", "مرحبا", "🙂", "%s%n", "{}", "{0.__class__}", "*", "?"),
    *("n" * 99, "n" * 101, "n" * 256, "n/" * 300 + "n", "n" * 5000, "/dev/null/x"),
    *("reports/group", "reports/group/one", "reports/group/latest", "nothing/latest"),
    *("reports/group/one/vae_epoch_0000.pt", "reports/group/one/run_meta.json"),
)
NUMBERS = (
    *("-1", "-0", "0", "+1", " 1", "1 ", "1\n", "1_0", "01", "0x8", "1.", ".5", "1e0"),
    *("nan", "-nan", "inf", "-inf", "1e400", "-1e400", "1e-400", "1e308", "5e-324"),
    *("9" * 20, "9" * 400, "9" * 5000, "-" + "9" * 30, "1" + "0" * 30, "1000001"),
    *("１", "١", "²", "½", "一", "1,", ",", "1,,2", "4,0", "0,4", "1;2", "1 2", "4,-4"),
    *("True", "None", "[]", "{}", "null", "1j", "1/2", "\u202e1", "1\0", "\ufeff1"),
)
WORDS = (
    *("mnist ", "MNIST", "tensors", "folder:", "folder:nowhere", "folder:.", "none"),
    *("folder:a\nb", "folder:\u202ea", "folder:a\0b", "folder:pics/00.png", "folder"),
    *("folder:pics/../pics", "folder:/dev/null", "Folder:pics", "folder:" + "x" * 5000),
)
CHANGES = (
    *("1", ":", "1:", ":1", "1:2,", "1:nan", "1:1e400", "1:-1", "-1:1", "1:1e", "a:b"),
    *("1:2,1:3", "1:2;3:4", "1:++1", "1:--", "1:.", "١:1", "9" * 5000 + ":1", "1:2\n"),
    *("0:3", "2:1,1:2", "1:1000001", "1 :2", "1: 2", "\u202e1:2"),
)
TEXTS = PATHS + NUMBERS + WORDS + CHANGES


def text(rng: Random) -> str:
    """Return a text that may be wrong where a value is asked for."""
    found = rng.choice(TEXTS)
    if rng.random() < 0.1:
        found = damaged_text(rng, found)
    return found


def damaged_text(rng: Random, good: str) -> str:
    """Return a text with a few characters changed, taken out or put in."""
    letters = list(good)
    for _ in range(rng.randint(1, 3)):
        at = rng.randint(0, len(letters))
        new = rng.choice("\n\r\t\0\x1b\u202e\u2067\u200f\u2029\udcff'\"[]{}=,:#-.0e9~é")
        letters[at : at + rng.randint(0, 1)] = rng.choice(([new], [], [new, new]))
    return "".join(letters)


def damaged_bytes(rng: Random, good: bytes) -> bytes:
    """Return bytes with some flipped, cut off, doubled or replaced."""
    data = bytearray(good)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = rng.randrange(len(data)) if data else 0
        match rng.randrange(6):
            case 0 if data:
                data[at] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[at] = rng.choice((0, 1, 127, 128, 255))
            case 2:
                del data[at:]
            case 3:
                del data[at : at + rng.randint(1, 16)]
            case 4:
                data[at:at] = data[at : at + rng.randint(1, 64)]
            case _:
                data[at : at + 4] = rng.choice(
                    (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\1")
                )
    return bytes(data)


def value(rng: Random, deep: int = 2) -> Any:
    """Return a value of Python of any type, as a script may pass it."""
    kind = rng.randrange(9)
    if kind == 0:
        return text(rng)
    if kind == 1:
        return rng.choice((0, 1, -1, 2, 3, 8, 10**6 + 1, 2**63, 2**64, -(2**70)))
    if kind == 2:
        return rng.choice((10**400, 10**5000, -(10**5000), 1 << 20000))
    if kind == 3:
        numbers = (0.0, -0.0, 0.5, 1.0, 1e308, 5e-324, float("nan"), float("inf"))
        return rng.choice(numbers) * rng.choice((1, -1))
    if kind == 4:
        return rng.choice((None, True, False, b"x", 1j, ..., set(), frozenset({1})))
    if kind == 5:
        return rng.choice(
            (
                *(
                    np.float64(4),
                    np.float32(0.5),
                    np.int64(2),
                    np.uint8(3),
                    np.bool_(1),
                ),
                *(np.str_("mse"), np.array([1, 2]), np.array(3), np.zeros((2, 2))),
                *(np.array([]), np.float64("nan"), np.datetime64("2020-01-01")),
            )
        )
    if kind == 6:
        return rng.choice((range(3), range(0), int, len, "x" * 3000, [1] * 2000))
    if not deep:
        return rng.choice(([], {}, ()))
    inner = [value(rng, deep - 1) for _ in range(rng.randint(0, 3))]
    return rng.choice((inner, tuple(inner), {str(i): v for i, v in enumerate(inner)}))
