"""Sweeps, with real workers, real kills and a real cluster: the same bits as one run after the other, whatever happens."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from dask.system import CPU_COUNT
from distributed import Client
from test_resume import assert_same_run

from vaelib import files, runs
from vaelib.config import TrainConfig
from vaelib.data import ImageData, load_dataset
from vaelib.sweeps import cluster, grid, sweep
from vaelib.sweeps.jobs import plan
from vaelib.train import train

if TYPE_CHECKING:
    from conftest import Cli, Tree

pytestmark = pytest.mark.slow

# Four runs of 3 epochs; an epoch of 625 steps takes a good part of a second, so that it can be broken off.
SPRITES: dict[str, Any] = dict(
    dataset="sprites",
    image_size=8,
    hidden_dim=(32,),
    batch_size=32,
    epochs=3,
    device="cpu",
)
LATENTS = [2, 3, 4, 5]
FLAGS = [
    "--dataset",
    "sprites",
    "--image-size",
    "8",
    "--hidden-dim",
    "32",
    "--batch-size",
    "32",
    "--epochs",
    "3",
]
ROOT = Path(__file__).parents[2]
SWEEP = ("vaelib.cli", "sweep")
FLAGS += ["--device", "cpu", "--latent-dim", "2", "3", "4", "5"]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two workers, as `vaelib sweep` starts them on two cores."""
    with cluster.local_cluster(2) as two, Client(two) as client:
        yield client


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The group that `vaelib train` writes, one run after the other."""
    folder = tmp_path_factory.mktemp("reference")
    for config in grid(
        **SPRITES, latent_dim=LATENTS, group="g", project_dir=str(folder)
    ):
        train(config, quiet=True)
    return folder / "g"


def assert_same_group(group: Path, reference: Path) -> None:
    """Bit for bit the same runs, and nothing else; each with its settings."""
    assert {path.name for path in runs.visible(group)} == {
        path.name for path in runs.visible(reference)
    }
    for run in reference.glob("latent_dim=*"):
        assert_same_run(group / run.name, run)
        ours, theirs = (
            json.loads((folder / run.name / "run_meta.json").read_text())
            for folder in (group, reference)
        )
        assert ours["config"] | dict(project_dir="") == theirs["config"] | dict(
            project_dir=""
        )
        assert (ours["dataset"], ours["versions"]) == (
            theirs["dataset"],
            theirs["versions"],
        )
    assert (group / "latest").resolve().name in {
        run.name for run in reference.glob("latent_dim=*")
    }


Start = Callable[..., psutil.Popen]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts commands, each in a process group of its own, as a terminal would; what they say goes to NAME.log."""
    started: list[psutil.Popen] = []

    def one(name: str, *argv: str, cwd: Path | None = None) -> psutil.Popen:
        with open(tmp_path / f"{name}.log", "w") as out:
            command = argv if argv[0] == "bash" else [sys.executable, "-m", *argv]
            started.append(
                psutil.Popen(
                    command, stdout=out, stderr=out, cwd=cwd, start_new_session=True
                )
            )
        return started[-1]

    yield one
    for process in started:
        with suppress(psutil.NoSuchProcess):
            kill_all(process)


def kill_all(process: psutil.Popen) -> None:
    """A process and all that it started."""
    for part in (*process.children(recursive=True), process):
        part.kill()
    process.wait()


def until(happened: Callable[[], object], what: str) -> None:
    """Waits for something that will happen."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


# What it writes


def test_writes_the_runs_that_train_writes_and_then_has_nothing_to_do(
    client: Any,
    reference: Path,
    tmp_path: Path,
    tree: Tree,
    capsys: pytest.CaptureFixture[str],
):
    runs_ = grid(**SPRITES, latent_dim=LATENTS, group="g", project_dir=str(tmp_path))
    assert sweep(runs_, client) == {}
    assert_same_group(tmp_path / "g", reference)
    told = capsys.readouterr().out
    assert "4 runs, 0 finished, 0 begun, in" in told
    assert f"dashboard: {client.dashboard_link}" in told
    assert (
        len(
            re.findall(
                r"latent_dim=\d: test recon \d+\.\d\d, KL .* nats per image \(.* s\)  \[\d of 4\]",
                told,
            )
        )
        == 4
    )

    before = tree(tmp_path)
    assert sweep(runs_, client) == {}
    assert tree(tmp_path) == before
    assert "4 runs, 4 finished, 0 begun, in" in capsys.readouterr().out


def test_goes_on_with_what_was_begun(client: Any, tmp_path: Path):
    """Here by another command, to which two epochs more are asked; the weights of its first epoch are not written again."""
    tiny = SPRITES | dict(batch_size=500, lr_schedule="none")
    runs_ = [
        grid(
            **tiny | dict(epochs=n),
            latent_dim=[2, 3],
            group="g",
            project_dir=str(tmp_path),
        )
        for n in (1, 3)
    ]
    train(runs_[0][0], quiet=True)
    first = tmp_path / "g" / "latent_dim=2" / "vae_epoch_0000.pt"
    written = first.stat().st_mtime_ns
    assert [job.ended for job in plan(runs_[1])] == [1, 0]
    assert sweep(runs_[1], client, quiet=True) == {}
    assert first.stat().st_mtime_ns == written

    for config in grid(
        **tiny, latent_dim=[2, 3], group="whole", project_dir=str(tmp_path)
    ):
        whole = train(config, quiet=True)
        assert_same_run(tmp_path / "g" / config.name, whole.path)
        assert runs.open_run(tmp_path / "g" / config.name).config.epochs == 3


def test_a_task_gives_back_the_settings_first_and_the_state_last(client: Any):
    """For this is the order in which they are written: what state.pt does not know did not happen."""
    config = TrainConfig(
        dataset="sprites",
        image_size=8,
        hidden_dim=(8,),
        batch_size=500,
        epochs=2,
        device="cpu",
    )
    data = client.submit(load_dataset, "sprites", image_size=8)
    first, rows = client.submit(
        cluster.one_epoch, config, data, None, "", True
    ).result()
    second, more = client.submit(
        cluster.one_epoch, config, data, first["state.pt"], "", False
    ).result()
    assert (next(iter(first)), [*first][-1], [*second][-1]) == (
        "run_meta.json",
        "state.pt",
        "state.pt",
    )
    assert "run_meta.json" not in second
    assert (more[0], len(more)) == (rows[0], 2)


def test_own_tensors(client: Any, tmp_path: Path):
    sprites = load_dataset("sprites", image_size=8)
    data = ImageData(sprites.train[:100], sprites.test[:50])
    assert (
        sweep(
            grid(
                dataset="tensors",
                hidden_dim=(8,),
                seed=[1, 2],
                epochs=1,
                project_dir=str(tmp_path),
            ),
            client,
            data,
        )
        == {}
    )
    meta = json.loads(
        (tmp_path / "tensors-grid" / "seed=2" / "run_meta.json").read_text()
    )
    assert (meta["dataset"]["train"], meta["dataset"]["shape"]) == (100, [1, 8, 8])


def test_a_failed_run_ends_no_other_and_is_told_at_the_end(
    cli: Cli, tiny: list[str], damage: Callable[[Path], str], tmp_path: Path
):
    """One loss diverges, one folder is somebody's own, one state.pt is damaged."""
    group = tmp_path / "g"
    flags = [
        *tiny,
        "--lr",
        "0.001",
        "1e6",
        "0.002",
        "0.003",
        "--group",
        "g",
        "--project-dir",
        tmp_path,
        "--workers",
        "2",
    ]
    (group / "lr=0.002").mkdir(parents=True)
    (group / "lr=0.002" / "note.txt").write_text("mine")
    assert (
        cli(
            "train",
            *tiny,
            "--lr",
            "0.003",
            "--group",
            "g",
            "--project-dir",
            tmp_path,
            "--name",
            "lr=0.003",
        ).code
        == 0
    )
    (group / "lr=0.003" / "state.pt").write_bytes(b"no")
    answer = cli("sweep", *flags)
    assert answer.code == 1
    title, *lines = answer.err.splitlines()
    assert title == "3 of 4 runs failed:"
    reasons = dict(line.strip().split(": ", 1) for line in lines)
    assert list(reasons) == ["lr=0.002", "lr=0.003", "lr=1000000.0"]
    assert "is not an empty folder, and no run" in reasons["lr=0.002"]
    assert "state.pt is damaged" in reasons["lr=0.003"]
    assert "the loss is not finite at step" in reasons["lr=1000000.0"]
    assert "lr=0.001: test recon" in answer.out
    assert (group / "lr=0.002" / "note.txt").read_text() == "mine"
    assert not [what for what in map(damage, (group / "lr=0.001").rglob("*.*")) if what]
    assert not [
        path for path in runs.visible(group / "lr=1000000.0") if path.suffix == ".pt"
    ]


def test_other_settings_in_a_group_are_refused_at_once(
    cli: Cli, tiny: list[str], tmp_path: Path, tree: Tree
):
    flags = ["--project-dir", tmp_path, "--group", "g"]
    assert cli("train", *tiny, *flags, "--name", "seed=1", "--seed", "1").code == 0
    before = tree(tmp_path)
    answer = cli("sweep", *tiny, *flags, "--seed", "2", "1", "--beta", "4")
    assert (
        "seed=1 beta is 4.0, but this run was begun with 1.0: give another --group"
        in answer.refusal
    )
    assert tree(tmp_path) == before


def test_no_data_no_sweep(cli: Cli, tmp_path: Path, tree: Tree):
    flags = [
        "--dataset",
        f"folder:{tmp_path / 'nowhere'}",
        "--seed",
        "1",
        "2",
        "--project-dir",
        tmp_path,
        "--workers",
        "1",
    ]
    assert "nowhere" in cli("sweep", *flags).refusal
    assert tree(tmp_path) == {}


def test_a_dry_run_lists_and_measures_and_writes_nothing(
    cli: Cli,
    tiny: list[str],
    tmp_path: Path,
    tree: Tree,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    assert (
        cli("train", *tiny, "--group", "g", "--name", "seed=2", "--seed", "2").code == 0
    )
    before = tree(tmp_path)
    answer = cli(
        "sweep",
        *tiny,
        "--group",
        "g",
        "--seed",
        "1",
        "2",
        "3",
        "--dry-run",
        "--workers",
        "2",
    )
    assert answer.code == 0
    head, *rows, last = answer.out.splitlines()
    assert head.split() == ["run", "epochs", "ended"]
    assert [row.split() for row in rows] == [
        ["seed=1", "2", "0"],
        ["seed=2", "2", "2"],
        ["seed=3", "2", "0"],
    ]
    assert re.fullmatch(
        r"3 runs, 1 finished, 0 begun, 4 epochs to go: about \d+ (s|min) on 2 workers",
        last,
    )
    assert tree(tmp_path) == before


def test_the_estimate_is_a_measurement(client: Any):
    """Against a real epoch on a worker, as far as a machine with other work on it allows."""
    config = TrainConfig(
        dataset="sprites", image_size=8, batch_size=32, epochs=1, device="cpu"
    )
    data = load_dataset("sprites", image_size=8)
    future = client.submit(load_dataset, "sprites", image_size=8)
    client.submit(
        cluster.one_epoch, config, future, None, "", True
    ).result()  # the first one imports
    began = time.perf_counter()
    client.submit(cluster.one_epoch, config, future, None, "again", True).result()
    true = time.perf_counter() - began
    assert true / 3 < cluster.measure_epoch(config, data) < 3 * true


# Interrupted


def test_a_worker_is_killed_again_and_again(
    client: Any, reference: Path, tmp_path: Path
):
    runs_ = grid(**SPRITES, latent_dim=LATENTS, group="g", project_dir=str(tmp_path))
    killed, over, rng = [], threading.Event(), random.Random(7)

    def kill() -> None:
        while not over.wait(rng.uniform(0.5, 1.5)) and len(killed) < 3:
            if busy := [
                address for address, tasks in client.processing().items() if tasks
            ]:
                os.kill(
                    client.run(os.getpid, workers=busy[:1])[busy[0]], signal.SIGKILL
                )
                killed.append(busy[0])

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        assert sweep(runs_, client, quiet=True) == {}
    finally:
        over.set()
        killer.join()
    assert len(killed) == 3
    assert_same_group(tmp_path / "g", reference)


def test_the_whole_command_is_killed_again_and_again(
    start: Start, reference: Path, damage: Callable[[Path], str], tmp_path: Path
):
    """What is finished is not touched again, what was begun goes on, no file is half, no worker outlives its client."""
    group, log, rng = tmp_path / "g", tmp_path / "sweep.log", random.Random(1312)
    flags = [*FLAGS, "--group", "g", "--project-dir", str(tmp_path), "--workers", "2"]

    def ended() -> int:
        return len(list(group.glob("*/vae_epoch_*.pt")))

    for more in (1, 4, 3):
        command, before = start("sweep", *SWEEP, *flags), ended()
        finished = {
            job.run.path / "state.pt" for job in plan(grid_of(tmp_path)) if job.finished
        }
        times = {path: path.stat().st_mtime_ns for path in finished}
        until(
            lambda before=before, more=more: ended() >= before + more,
            f"{more} more epochs",
        )
        time.sleep(rng.uniform(0, 0.4))
        workers = command.children(recursive=True)
        assert len(workers) >= 2
        command.kill()  # the client alone, as a machine that runs out of memory would
        assert command.wait(120) == -signal.SIGKILL
        assert psutil.wait_procs(workers, timeout=20)[1] == []
        assert times == {path: path.stat().st_mtime_ns for path in finished}
        assert not [what for what in map(damage, group.rglob("[!.]*.*")) if what]
    command = start("sweep", *SWEEP, *flags)
    assert command.wait(120) == 0, log.read_text()
    assert re.match(r"4 runs, [1-3] finished, [1-3] begun, in", log.read_text())
    assert_same_group(group, reference)


def grid_of(folder: Path) -> list[TrainConfig]:
    """The grid of FLAGS."""
    return grid(**SPRITES, latent_dim=LATENTS, group="g", project_dir=str(folder))


def test_ctrl_c_loses_not_a_step(start: Start, reference: Path, tmp_path: Path):
    """Twice: each run in hand is saved within its epoch."""
    log, flags = (
        tmp_path / "sweep.log",
        [*FLAGS, "--group", "g", "--project-dir", str(tmp_path), "--workers", "2"],
    )
    within = []
    for _ in range(2):
        before = len(list(tmp_path.glob("g/*/vae_epoch_*.pt")))
        command = start("sweep", *SWEEP, *flags)
        until(
            lambda before=before: (
                len(list(tmp_path.glob("g/*/vae_epoch_*.pt"))) > before
            ),
            "an epoch",
        )
        time.sleep(0.3)
        os.killpg(command.pid, signal.SIGINT)
        assert command.wait(120) == 130, log.read_text()
        assert log.read_text().splitlines()[-1] == (
            "vaelib sweep: stopped, nothing is lost: repeat the command to continue."
        )
        states = [
            files.read_tensors(path)["state"] for path in tmp_path.glob("g/*/state.pt")
        ]
        within += [state["step"] - state["epoch"] * 625 for state in states]
    assert sum(step > 0 for step in within) >= 2
    command = start("sweep", *SWEEP, *flags)
    assert command.wait(120) == 0, log.read_text()
    assert_same_group(tmp_path / "g", reference)


def test_two_sweeps_on_one_group_share_the_work(
    start: Start, reference: Path, tmp_path: Path
):
    flags = [*FLAGS, "--group", "g", "--project-dir", str(tmp_path), "--workers", "1"]
    commands = [start(name, *SWEEP, *flags) for name in ("one", "two")]
    codes = [command.wait(120) for command in commands]
    logs = [(tmp_path / f"{name}.log").read_text() for name in ("one", "two")]
    assert codes == [0, 0], logs
    trained, others = (
        sum(log.count(text) for log in logs)
        for text in (": test recon", ": finished by another sweep")
    )
    assert (trained, others) == (4, 4), logs
    assert_same_group(tmp_path / "g", reference)


# Clusters


def test_is_reached_from_this_machine_only(client: Any):
    """Scheduler, dashboard, workers: every socket that listens is on loopback."""
    here = psutil.Process()
    sockets = [
        found
        for process in (here, *here.children(recursive=True))
        for found in process.net_connections("inet")
    ]
    listening = [
        found.laddr.ip for found in sockets if found.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 5
    assert set(listening) == {"127.0.0.1"}
    assert client.dashboard_link.startswith("http://127.0.0.1:")


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch):
    """One training thread for each of as many workers as there are cores; what is left over, where there are fewer runs."""
    import torch

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with cluster.local_cluster(1) as one, Client(one) as client:
        threads: Any = client.run(torch.get_num_threads)
    assert set(threads.values()) == {CPU_COUNT}
    assert cluster.default_workers(1) == 1
    assert cluster.default_workers(10_000) == CPU_COUNT


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def example(readme: str, address: str, flags: list[str]) -> list[str]:
    """The lines of a README's cluster example, with another address and with flags for its sweep."""
    block = (
        (ROOT / readme)
        .read_text(encoding="utf-8")
        .partition("<!-- cluster -->")[2]
        .partition("<!-- /cluster -->")[0]
    )
    host, port = address.removeprefix("tcp://").split(":")
    lines = (
        block.replace("127.0.0.1", host)
        .replace("8786", port)
        .strip()
        .splitlines()[1:-1]
    )
    return [*lines[:-1], shlex.join([*shlex.split(lines[-1]), *flags])]


@pytest.mark.skipif(os.name == "nt", reason="The example is for a shell.")
def test_the_cluster_of_the_readme(
    start: Start,
    cli: Cli,
    reference: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """A scheduler and two workers with folders of their own; one worker is killed for good in the middle."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "TIMEOUT", 3)
    monkeypatch.setenv(
        "PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    address = f"tcp://127.0.0.1:{free_port()}"
    export, mkdir, scheduler, one, two, command = example(
        "README.md", address, [*FLAGS, "--group", "g"]
    )
    start("scheduler", "bash", "-c", f"{mkdir}\n{scheduler.rstrip('&')}")
    assert (
        f"the scheduler at {address} has no workers"
        in cli("sweep", "--scheduler", address).refusal
    )
    workers = [
        start(name, "bash", "-c", f"{export}\n{line.rstrip('&')}")
        for name, line in (("one", one), ("two", two))
    ]
    with Client(address) as look:
        look.wait_for_workers(2, timeout=60)
        environ: Any = look.run(
            lambda: (
                os.environ.get("MALLOC_TRIM_THRESHOLD_"),
                int(os.environ["OMP_NUM_THREADS"]),
            )
        )
    assert set(environ.values()) == {(None, 1)}
    client = start("client", "bash", "-c", command)
    group = tmp_path / "reports" / "g"
    until(lambda: list(group.glob("*/state.pt")), "an epoch")
    kill_all(workers[1])
    assert client.wait(120) == 0, (tmp_path / "client.log").read_text()
    assert_same_group(group, reference)
    assert not [
        path
        for name in ("one", "two", "scheduler")
        for path in (tmp_path / name).rglob("*.pt")
    ]


def test_the_readmes_show_one_cluster():
    first, second = (
        example(readme, "tcp://127.0.0.1:8786", [])
        for readme in ("README.md", "README.ja.md")
    )
    assert [line.partition("  #")[0] for line in first] == [
        line.partition("  #")[0] for line in second
    ]


def test_no_scheduler(cli: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "TIMEOUT", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    assert (
        f"scheduler is '{address}', but no Dask scheduler answers"
        in cli("sweep", "--scheduler", address).refusal
    )
    assert (
        "no Dask scheduler answers"
        in cli("sweep", "--scheduler", "nonsense://x").refusal
    )


def test_without_dask_it_says_what_to_install(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
):
    for name in ("cluster", "runner"):
        monkeypatch.delitem(sys.modules, f"vaelib.sweeps.{name}")
        monkeypatch.delattr(f"vaelib.sweeps.{name}")
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "pip install 'vaelib[sweep]'" in cli("sweep").refusal
