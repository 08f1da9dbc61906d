"""Checkpoints and state.pt: damaged bytes, foreign files, wrong content."""

from __future__ import annotations

import copy
import io
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from fuzzing import values
from fuzzing.lines import command
from fuzzing.world import Case, World, seeds

RUN = Path("reports/group/one")
BOMB = 256 << 20  # bytes of zeros, in an archive of a megabyte


class Code:
    """An object whose pickle would write a file when it is read."""

    def __reduce__(self) -> Any:
        return Path.write_text, (Path("PWNED"), "")


@cache
def content(name: str) -> Any:
    """Return what a file of the run contains."""
    return torch.load(seeds() / RUN / name, weights_only=True)


def packed(saved: Any) -> bytes:
    """Return the bytes of a file of `torch.save`."""
    buffer = io.BytesIO()
    torch.save(saved, buffer)
    return buffer.getvalue()


def rezipped(
    raw: bytes, change: Callable[[str, bytes], bytes], level: int = 0
) -> bytes:
    """Return an archive whose members went through `change`, compressed or not."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(raw)) as old,
        zipfile.ZipFile(
            out, "w", 8 if level else 0, compresslevel=level or None
        ) as new,
    ):
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out.getvalue()


@cache
def bomb() -> bytes:
    """Return an archive with a member that is a thousand times as large as its file."""
    raw = packed({"weights": torch.zeros(3)})
    zeros = bytes(BOMB)
    return rezipped(raw, lambda name, old: zeros if name.endswith("data/0") else old, 1)


def foreign(rng: Random) -> bytes:
    """Return a file that vaelib did not write."""
    raw = packed(content("vae_epoch_0000.pt"))
    code = pickle.dumps({"config": Code()})
    npz = io.BytesIO()
    np.savez(npz, a=np.zeros(3))
    legacy = io.BytesIO()
    torch.save({"a": torch.zeros(2)}, legacy, _use_new_zipfile_serialization=False)
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    made: tuple[Callable[[], bytes], ...] = (
        lambda: b"",
        lambda: b"PK\x03\x04",
        lambda: code,
        lambda: legacy.getvalue(),
        lambda: npz.getvalue(),
        lambda: empty.getvalue(),
        lambda: rezipped(raw, lambda n, old: code if n.endswith("data.pkl") else old),
        lambda: rezipped(raw, lambda n, old: b"" if "/data/" in n else old),
        lambda: rezipped(raw, lambda n, old: old[: len(old) // 2]),
        lambda: packed(Code()),
        lambda: packed([1, 2]),
        lambda: packed("\u202etext"),
        lambda: packed(torch.zeros(3)),
        lambda: packed({}),
        lambda: packed(None),
        bomb,
    )
    return rng.choice(made)()


def any_tensor(rng: Random, like: torch.Tensor) -> Any:
    """Return a tensor that cannot stand where `like` stands, or may not fit."""
    made: tuple[Callable[[], Any], ...] = (
        lambda: like.double(),
        lambda: like.half(),
        lambda: like.to(torch.complex64),
        lambda: like.int(),
        lambda: like.bool(),
        lambda: like.to_sparse(),
        lambda: like.flatten()[:-1],
        lambda: like[None],
        lambda: like.new_zeros(0),
        lambda: like.new_zeros(()),
        lambda: like.new_zeros(1).expand(10**6, 10**6),
        lambda: torch.full_like(like.float(), float("nan")),
        lambda: torch.full_like(like.float(), 3e38),
        lambda: torch.quantize_per_tensor(like.float(), 0.1, 0, torch.qint8),
        lambda: torch.nn.Parameter(like.float()),
        lambda: like.tolist(),
        lambda: like.T.contiguous() if like.ndim == 2 else like.flip(0),
    )
    try:
        return rng.choice(made)()
    except RuntimeError:  # it is sparse already
        return None


def odd(rng: Random) -> Any:
    """Return a value that torch may save, and that may be wrong."""
    return rng.choice(
        (
            *(None, True, "1", "\u202ea\n", -1, 0, 1, 2, 10**6, 10**30, 1.5, -0.0),
            *(float("nan"), float("inf"), [], {}, (), [1], {"a": 1}, torch.zeros(2)),
            *(torch.tensor(1), b"", "x" * 3000, [[[]]], 2**63, -(2**63) - 1),
        )
    )


def change(rng: Random, saved: Any, path: str = "") -> str:
    """Change one value at some depth of nested dicts and lists; return where."""
    keys = list(saved) if isinstance(saved, dict) else list(range(len(saved)))
    key = rng.choice(keys)
    inner, where = saved[key], f"{path}[{key!r}]"
    if isinstance(inner, (dict, list)) and inner and rng.random() < 0.85:
        return change(rng, inner, where)
    kind = rng.randrange(8)
    if kind == 0 and isinstance(saved, dict):
        del saved[key]
        return f"{where} left out"
    if kind == 1 and isinstance(saved, dict):
        saved[rng.choice(("\u202ex", 3, "a\nb", "", "y" * 2000))] = saved.pop(key)
        return f"{where} renamed"
    if isinstance(inner, torch.Tensor) and kind < 7:
        saved[key] = any_tensor(rng, inner)
    else:
        saved[key] = odd(rng)
    return f"{where} = {saved[key]!r:.80}"


def written(rng: Random, world: World, name: str) -> tuple[str, str]:
    """Write a file that may be wrong; return what must come of it and what it is."""
    world.bring("reports", "pics")
    file = world.cwd / RUN / name
    chance = rng.random()
    if chance < 0.3:
        return "work", "as it was"
    if chance < 0.5:
        file.write_bytes(values.damaged_bytes(rng, file.read_bytes()))
        return "", "damaged bytes"
    if chance < 0.6:
        file.write_bytes(foreign(rng))
        return "fail", "foreign"
    saved = copy.deepcopy(content(name))
    where = [change(rng, saved) for _ in range(rng.choice((1, 1, 2)))]
    file.write_bytes(packed(saved))
    return "", "; ".join(where)


def checkpoint(rng: Random, world: World) -> Case:
    """Return the loading of a checkpoint and the use of its model; a third is valid."""
    from vaelib import load

    must, shown = written(rng, world, "vae_epoch_0000.pt")
    path = rng.choice((RUN, RUN / "vae_epoch_0000.pt"))
    if rng.random() < 0.5:
        return command(["evaluate", str(path), "--samples", "2"], must, shown=shown)
    if rng.random() < 0.05:
        argv = ["traverse", str(path), "--output", "out.png"]
        return command(argv, must, writes=("out.png",), shown=shown)

    def used() -> Any:
        model, config = load(path)
        with torch.no_grad():
            mu, _ = model.encode(torch.zeros(1, 64))
            return model.images(mu), config

    def check(result: Any) -> None:
        images, config = result
        assert images.shape == (1, 1, 8, 8)
        assert images.dtype == torch.float32
        assert config.latent_dim == 2

    return Case(used, f"load: {shown}", must, check=check)


def state(rng: Random, world: World) -> Case:
    """Return the resuming of a run from its state.pt; a third is valid."""
    from vaelib import runs
    from vaelib.data import load_dataset
    from vaelib.training import EpochEnd, start, updates

    must, shown = written(rng, world, "state.pt")
    if rng.random() < 0.1:
        for picture in (world.cwd / RUN).rglob("epoch_*.png"):
            picture.unlink()
        (world.cwd / RUN / "vae_epoch_0000.pt").write_bytes(foreign(rng))
        must, shown = "fail" if must == "work" else must, f"no pictures; {shown}"
    if rng.random() < 0.05:
        argv = ["train", "--resume", str(RUN), "--epochs", "2"]
        return command(argv, must, writes=(str(RUN),), shown=shown)

    # To draw the log takes longer than all else, so that only some cases do.
    whole = "no pictures" in shown or rng.random() < 0.2

    def resumed() -> Any:
        run = runs.open_run(RUN)
        config = replace(run.config, epochs=2)
        data = load_dataset(*config.data_source)
        now = start(config, data)
        if whole:
            with run.lock():
                run.restore(now, data)
        else:
            run.load_state(now)
        events = list(updates(now, data, config))
        return [event for event in events if isinstance(event, EpochEnd)], run.rows

    def check(result: Any) -> None:
        ends, rows = result
        assert [end.epoch for end in ends] == [1]
        assert [row["epoch"] for row in rows] == [0]
        assert all(isinstance(value, (int, float)) for value in rows[0].values())

    return Case(resumed, f"resume: {shown}", must, writes=(str(RUN),), check=check)
