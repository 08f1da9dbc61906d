"""Command lines of all subcommands but `lab`, which would become a server."""

from __future__ import annotations

import itertools
import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from fuzzing import values
from fuzzing.world import FLAGS, Case, World

# Flags of `vaelib train` with valid values that do not make the run longer.
GOOD = {
    "--activation": ("relu", "tanh"),
    "--model": ("mlp", "conv"),
    "--loss": ("bce", "bce_logits", "mse", "gaussian", "logistic"),
    "--sigma": ("0.5", "1e-2", "2"),
    "--beta": ("0", "4", "1e-3", "1000000"),
    "--beta-schedule": ("none", "linear", "cyclic"),
    "--beta-changes": ("", "1:2", "0:1,1:2"),
    "--binarize": ("none", "fixed", "dynamic"),
    "--lr": ("1e-3", "0.01"),
    "--seed": ("0", "7", str(2**63 - 1)),
    "--reduction": ("sum", "mean"),
    "--gradient": ("mean", "sum"),
    "--num-workers": ("0", "2"),
    "--name": ("a", "b-1", "é", "日本"),
    "--group": ("g", "h=1"),
    "--save-dir": ("here", "a/b"),
    "--project-dir": ("runs", "p/q"),
}
RUNS = ("reports/group/one", "reports/group/latest", "reports/group/two")
CHECKPOINTS = tuple(f"{run}/vae_epoch_0000.pt" for run in RUNS)
OTHERS = (
    *("--sav-dir=x", "--epochs", "--help=1", "-z", "@file", "--", "extra", "-e=1"),
    *("--resume=", "--no-fused=1", "--compile=true", "--preset=none", "--preset"),
    *("--\u202ex", "--a\nb", "\0", "-\udcff", "--" + "x" * 3000, "x\ny"),
)


def run(argv: list[str]) -> Callable[[], int]:
    """Return a function that runs `vaelib ARGV` in this process."""

    def call() -> int:
        from vaelib.cli import main

        return main(argv)

    return call


def command(argv: list[str], must: str = "", shown: str = "", **more: Any) -> Case:
    """Return the case of a command line."""
    text = f"vaelib {shlex.join(argv)} {shown}"
    return Case(run(argv), text, must, is_command=True, **more)


def spoil(rng: Random, argv: list[str], start: int = 1) -> list[str]:
    """Return a command line with one to three words that may be wrong."""
    argv = list(argv)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(start, len(argv) + 1)
        kind = rng.randrange(10)
        flag = rng.choice(("--epochs", "--batch-size", "--latent-dim", *GOOD))
        if kind < 4 and at < len(argv) and not argv[at].startswith("--"):
            argv[at] = values.text(rng)
        elif kind < 7:
            argv += [flag, values.text(rng)]
        elif kind == 7:
            argv += [f"{flag}={values.text(rng)}"]
        elif kind == 8:
            argv.insert(at, rng.choice(OTHERS))
        elif at < len(argv):
            del argv[at]
    return argv


def train(rng: Random, world: World) -> Case:
    """Return a command line of `vaelib train`; one in twelve is valid."""
    argv = ["train", *FLAGS]
    if rng.random() < 1 / 12:
        world.bring("pics")
        extra = rng.sample(sorted(GOOD), rng.randint(0, 3))
        for flag in extra:
            argv += [flag, rng.choice(GOOD[flag])]
        if "--name" in extra and "--save-dir" in extra:
            argv += ["--name", ""]
        argv += rng.choice(([], [], ["--no-fused"], ["--preset", "pytorch-examples"]))
        return command(argv, "work", writes=outputs(argv), check=trained(argv))
    world.bring("pics", *rng.choice(((), ("reports",))))
    if rng.random() < 0.25:
        path = rng.choice((*values.PATHS, *RUNS))
        argv = [*rng.choice((["train"], argv)), "--resume", path]
    argv = spoil(rng, argv)
    if "--dataset" not in " ".join(argv) and "--resume" not in " ".join(argv):
        argv += ["--image-size", "8"]  # not the whole of MNIST, which takes a minute
    return command(argv, writes=outputs(argv))


def outputs(argv: list[str]) -> tuple[str, ...]:
    """Return the paths that flags allow to change, or the default."""
    names = ("--save-dir", "--project-dir", "--output", "--resume")
    found = ["reports"]
    for word, after in zip(argv, [*argv[1:], ""], strict=True):
        flag, equals, given = word.partition("=")
        if flag in names:
            found.append((given if equals else after).replace("\0", ""))
    return tuple(found)


def trained(argv: list[str]) -> Callable[[Any], None]:
    """Return a check that a run has the settings of its command line, and a model."""
    last = dict(itertools.pairwise(argv))

    def check(_: Any) -> None:
        from vaelib import load
        from vaelib.runs import open_run

        metas = [m for m in Path().rglob("run_meta.json") if "latest" not in m.parts]
        assert len(metas) == 1
        saved = json.loads(metas[0].read_text(encoding="utf-8"))["config"]
        for name in ("loss", "binarize", "activation", "beta_schedule", "seed", "beta"):
            flag = "--" + name.replace("_", "-")
            if flag in last:
                assert saved[name] == type(saved[name])(last[flag]), name
        done = open_run(metas[0].parent)
        assert done.load_state()
        assert [row["epoch"] for row in done.rows] == [0]
        assert math.isfinite(done.rows[0]["total"])
        model, config = load(metas[0].parent)
        assert (model.latent_dim, config.hidden_dim) == (2, (4,))

    return check


def sweep(rng: Random, world: World) -> Case:
    """Return a command line of `vaelib sweep --dry-run`; one in fifteen is valid."""
    argv = ["sweep", *FLAGS, "--dry-run"]
    if rng.random() < 1 / 15:
        world.bring("pics")
        argv += ["--beta", "1", "4", *rng.choice(([], ["--workers", "1"]))]
        return command(argv, "work")
    if rng.random() < 0.2:
        (world.cwd / "g.toml").write_text(rng.choice(("beta = [1, 2]\n", "beta = '")))
        argv += ["--file", rng.choice(("g.toml", *values.PATHS))]
    if rng.random() < 0.2:
        argv += ["--workers", rng.choice(values.NUMBERS)]
    if rng.random() < 0.05:
        # No name that would be looked up: that can take seconds.
        argv += [
            "--scheduler",
            rng.choice(("", "x://y", "tcp://", "tcp://127.0.0.1:1")),
        ]
    # Without pictures, what is right ends soon. Without the last flags, a sweep would
    # start processes, or measure MNIST.
    return command([*spoil(rng, argv), "--dry-run", "--dataset", "folder:pics"])


def compare(rng: Random, world: World) -> Case:
    """Return a command line of `vaelib compare`; one in thirty is valid."""
    world.bring("pics", "reports")
    argv = ["compare", rng.choice(("reports/group", "group"))]
    if rng.random() < 1 / 30:
        return command(argv, "work", writes=("reports/group/comparison",))
    if rng.random() < 0.2:
        name = rng.choice(("my run", "a|b\n", "\u202ex", "x" * 200, "-", "\udcff", "é"))
        (world.cwd / "reports/group/two").rename(world.cwd / "reports/group" / name)
        return command(argv, "work", writes=("reports/group/comparison",))
    if rng.random() < 0.5:
        argv += [rng.choice(("--output", "--project-dir")), rng.choice(values.PATHS)]
    argv[1] = rng.choice((argv[1], *values.PATHS))
    return command(argv, writes=(*outputs(argv), argv[1].replace("\0", "")))


def evaluate(rng: Random, world: World) -> Case:
    """Return a command line of `vaelib evaluate`; a third is valid."""
    world.bring("pics", "reports")
    argv = ["evaluate", rng.choice(RUNS + CHECKPOINTS)]
    argv += ["--samples", rng.choice(("1", "3")), "--seed", rng.choice(("0", "5"))]
    if rng.random() < 1 / 3:
        return command(argv, "work")
    argv[rng.choice((1, 3, 5))] = values.text(rng)
    return command(spoil(rng, argv) if rng.random() < 0.2 else argv)


def pointer(rng: Random, world: World) -> Case:
    """Return the use of a group's `latest`, in other shapes than a link to a run."""
    world.bring("pics", "reports")
    group = world.cwd / "reports/group"
    (group / "latest").unlink()
    argv = ["evaluate", "reports/group/latest", "--samples", "1"]
    if rng.random() < 1 / 3:
        (group / "latest.txt").write_text(rng.choice(("one\n", "two", " one \n\n")))
        return command(argv, "work")
    if rng.random() < 0.2:
        (group / "latest").symlink_to(rng.choice(("latest", "nowhere", "..", "one/x")))
    else:
        given = rng.choice((values.text(rng), "one\ntwo", "../group/one", "/", "one\0"))
        content = given.encode("utf-8", "surrogatepass")
        (group / "latest.txt").write_bytes(rng.choice((content, b"\xff\xfe" + content)))
    return command(argv)


def traverse(rng: Random, world: World) -> Case:
    """Return a command line of `vaelib traverse`; one in fifteen is valid."""
    world.bring("pics", "reports")
    argv = ["traverse", rng.choice(RUNS + CHECKPOINTS), "--image", "0"]
    argv += ["--output", rng.choice(("out.png", "é.png"))]
    if rng.random() < 1 / 15:
        return command(argv, "work", writes=outputs(argv))
    if rng.random() < 0.7:
        argv[rng.choice((1, 3))] = values.text(rng)
    else:
        argv[5] = rng.choice(values.PATHS)
    return command(argv, writes=outputs(argv))


def other(rng: Random, world: World) -> Case:
    """Return a command line with a wrong command, or a request for help."""
    names = ("train", "sweep", "compare", "evaluate", "traverse", "lab")
    if rng.random() < 1 / 3:
        return command(
            rng.choice([["--help"], ["--version"], *([n, "-h"] for n in names)]), "work"
        )
    argv = [rng.choice((*values.TEXTS, *OTHERS)), *rng.sample(values.TEXTS, 2)]
    if "lab".startswith(argv[0]):
        argv[0] = "x"
    return command(argv[: rng.randint(0, 3)])
