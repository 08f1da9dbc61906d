"""Sweeps with real workers, real kills and a real cluster.

Whatever happens, the runs are bit for bit the same as those of `vaelib train`.
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
from vaelib.errors import Interrupted
from vaelib.runfiles import RunError
from vaelib.sweeps import cluster, grid, runner, sweep, workers
from vaelib.sweeps.jobs import plan
from vaelib.train import train

if TYPE_CHECKING:
    from conftest import Cli, Tree

pytestmark = pytest.mark.slow

# Three runs of 3 epochs. An epoch has 625 updates and takes a good part of a second, so
# that it can be interrupted.
SPRITES: dict[str, Any] = dict(
    dataset="sprites",
    image_size=8,
    hidden_dim=(32,),
    batch_size=32,
    epochs=3,
    device="cpu",
)
LATENTS = [2, 3, 4]
FLAGS = ["--dataset", "sprites", "--image-size", "8", "--hidden-dim", "32"]
FLAGS += ["--batch-size", "32", "--epochs", "3", "--device", "cpu"]
FLAGS += ["--latent-dim", "2", "3", "4"]
ROOT = Path(__file__).parents[2]
SWEEP = ("vaelib.cli", "sweep")


def grid_in(folder: Path) -> list[TrainConfig]:
    """Return the grid of `FLAGS` in the group "g" of a project folder."""
    return grid(**SPRITES, latent_dim=LATENTS, group="g", project_dir=str(folder))


def flags_in(folder: Path, workers: int) -> list[str]:
    """Return the flags of that grid for the command line."""
    where = ["--group", "g", "--project-dir", str(folder)]
    return [*FLAGS, *where, "--workers", str(workers)]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two workers, as `vaelib sweep` starts them on two cores."""
    with cluster.local_cluster(2) as two, Client(two) as client:
        yield client


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Group that `vaelib train` writes, one run after the other."""
    folder = tmp_path_factory.mktemp("reference")
    for config in grid_in(folder):
        train(config, quiet=True)
    return folder / "g"


def names_in(folder: Path) -> set[str]:
    """Return the names of the files and folders that are not hidden."""
    return {path.name for path in runs.visible(folder)}


def meta_of(run: Path) -> dict[str, Any]:
    """Return the content of run_meta.json, without the project folder and the time."""
    meta = json.loads((run / "run_meta.json").read_text())
    del meta["config"]["project_dir"], meta["created"]
    return meta


def assert_same_group(group: Path, reference: Path) -> None:
    """Check that two groups contain the same runs, bit for bit, and nothing else."""
    assert names_in(group) == names_in(reference)
    folders = list(reference.glob("latent_dim=*"))
    for run in folders:
        assert_same_run(group / run.name, run)
        assert meta_of(group / run.name) == meta_of(run)
    assert (group / "latest").resolve().name in {run.name for run in folders}


Start = Callable[..., psutil.Popen]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a command in its own process group.

    This is what a terminal does. The output goes to NAME.log.
    """
    started: list[psutil.Popen] = []

    def one(name: str, *argv: str, cwd: Path | None = None) -> psutil.Popen:
        with open(tmp_path / f"{name}.log", "w") as out:
            command = argv if argv[0] == "bash" else [sys.executable, "-m", *argv]
            options: dict[str, Any] = dict(stdout=out, stderr=out, cwd=cwd)
            process = psutil.Popen(command, start_new_session=True, **options)
        started.append(process)
        return process

    yield one
    for process in started:
        with suppress(psutil.NoSuchProcess):
            kill_all(process)


def kill_all(process: psutil.Popen) -> None:
    """Kill a process and all processes that it started."""
    for part in (*process.children(recursive=True), process):
        part.kill()
    process.wait()


def until(happened: Callable[[], object], what: str) -> None:
    """Wait until something happens, at most two minutes."""
    end = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


# What a sweep writes


def test_it_writes_the_same_runs_as_train_and_then_does_nothing(
    client: Any,
    reference: Path,
    tmp_path: Path,
    tree: Tree,
    capsys: pytest.CaptureFixture[str],
):
    configs = grid_in(tmp_path)
    assert sweep(configs, client) == {}
    assert_same_group(tmp_path / "g", reference)
    text = capsys.readouterr().out
    assert "3 runs, 0 finished, 0 begun, in" in text
    assert f"dashboard: {client.dashboard_link}" in text
    figures = r"test recon \d+\.\d\d, KL .* nats per image \(.* s\)"
    assert len(re.findall(rf"latent_dim=\d: {figures}  \[\d of 3\]", text)) == 3

    before = tree(tmp_path)
    assert sweep(configs, client) == {}
    assert tree(tmp_path) == before
    assert "3 runs, 3 finished, 0 begun, in" in capsys.readouterr().out


def test_it_continues_an_unfinished_run(client: Any, tmp_path: Path):
    """The first epoch was trained by `vaelib train`, and is not written again."""
    tiny: dict[str, Any] = SPRITES | dict(batch_size=500, lr_schedule="none")
    tiny |= dict(latent_dim=[2, 3], project_dir=str(tmp_path))
    short = grid(**tiny | dict(epochs=1), group="g")
    long = grid(**tiny, group="g")
    train(short[0], quiet=True)
    first = tmp_path / "g" / "latent_dim=2" / "vae_epoch_0000.pt"
    written = first.stat().st_mtime_ns
    assert [job.ended for job in plan(long)] == [1, 0]
    assert sweep(long, client, quiet=True) == {}
    assert first.stat().st_mtime_ns == written

    for config in grid(**tiny, group="whole"):
        run = train(config, quiet=True)
        assert_same_run(tmp_path / "g" / config.name, run.path)
        assert runs.open_run(tmp_path / "g" / config.name).config.epochs == 3


def test_a_task_returns_the_settings_first_and_the_state_last(client: Any):
    """This is the order of writing: only state.pt makes an epoch count."""
    settings: dict[str, Any] = SPRITES | dict(batch_size=500, epochs=2)
    config = TrainConfig(**settings)
    data = client.submit(load_dataset, "sprites", image_size=8)

    def epoch(state: bytes | None, new: bool) -> Any:
        task = client.submit(cluster.one_epoch, config, data, state, "", new, {})
        return task.result()

    first, rows = epoch(None, new=True)
    second, more = epoch(first["state.pt"], new=False)
    names = list(first), list(second)
    assert (names[0][0], names[0][-1]) == ("run_meta.json", "state.pt")
    assert names[1][-1] == "state.pt"
    assert "run_meta.json" not in second
    assert (more[0], len(more)) == (rows[0], 2)


def test_own_tensors(client: Any, tmp_path: Path):
    sprites = load_dataset("sprites", image_size=8)
    data = ImageData(sprites.train[:100], sprites.test[:50])
    common: dict[str, Any] = dict(dataset="tensors", hidden_dim=(8,), epochs=1)
    configs = grid(**common, seed=[1, 2], project_dir=str(tmp_path))
    assert sweep(configs, client, data) == {}
    facts = meta_of(tmp_path / "tensors-grid" / "seed=2")["dataset"]
    assert (facts["train"], facts["shape"]) == (100, [1, 8, 8])


def test_a_failed_run_does_not_stop_the_others(
    cli: Cli, tiny: list[str], damage: Callable[[Path], str], tmp_path: Path
):
    """One loss diverges, one folder is not a run, one state.pt is damaged."""
    group = tmp_path / "g"
    where = ["--group", "g", "--project-dir", tmp_path]
    (group / "lr=0.002").mkdir(parents=True)
    (group / "lr=0.002" / "note.txt").write_text("mine")
    flags = [*tiny, *where, "--lr", "0.003", "--name", "lr=0.003"]
    assert cli("train", *flags).code == 0
    (group / "lr=0.003" / "state.pt").write_bytes(b"no")

    rates = ["--lr", "0.001", "1e6", "0.002", "0.003"]
    answer = cli("sweep", *tiny, *where, *rates, "--workers", "2")
    assert answer.code == 1
    _, title, said = answer.err.partition("3 of 4 runs failed:\n")
    assert title, answer.err  # before it, a busy machine may say that it waits
    lines = said.splitlines()
    reasons = dict(line.strip().split(": ", 1) for line in lines)
    assert list(reasons) == ["lr=1000000.0", "lr=0.002", "lr=0.003"]
    assert "is not an empty folder, and no run" in reasons["lr=0.002"]
    assert "state.pt is damaged" in reasons["lr=0.003"]
    assert "the loss is not finite at step" in reasons["lr=1000000.0"]
    assert "lr=0.001: test recon" in answer.out
    assert (group / "lr=0.002" / "note.txt").read_text() == "mine"
    assert not [what for what in map(damage, (group / "lr=0.001").rglob("*.*")) if what]
    assert not list((group / "lr=1000000.0").glob("*.pt"))


def test_other_settings_in_a_group_are_refused_at_once(
    cli: Cli, tiny: list[str], tmp_path: Path, tree: Tree
):
    flags = ["--project-dir", tmp_path, "--group", "g"]
    assert cli("train", *tiny, *flags, "--name", "seed=1", "--seed", "1").code == 0
    before = tree(tmp_path)
    answer = cli("sweep", *tiny, *flags, "--seed", "2", "1", "--beta", "4")
    difference = "seed=1 beta is 4.0, but this run was started with 1.0"
    assert f"{difference}: give another --group" in answer.refusal
    assert tree(tmp_path) == before


def test_missing_data_are_refused(cli: Cli, tmp_path: Path, tree: Tree):
    flags = ["--dataset", f"folder:{tmp_path / 'nowhere'}", "--seed", "1", "2"]
    flags += ["--project-dir", str(tmp_path), "--workers", "1"]
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
    flags = [*tiny, "--group", "g"]
    assert cli("train", *flags, "--name", "seed=2", "--seed", "2").code == 0
    before = tree(tmp_path)
    seeds = ["--seed", "1", "2", "3"]
    answer = cli("sweep", *flags, *seeds, "--dry-run", "--workers", "2")
    assert answer.code == 0
    head, *rows, last = answer.out.splitlines()
    assert head.split() == ["run", "epochs", "ended"]
    assert [row.split() for row in rows] == [
        ["seed=1", "2", "0"],
        ["seed=2", "2", "2"],
        ["seed=3", "2", "0"],
    ]
    counts = "3 runs, 1 finished, 0 begun, 4 epochs to go"
    assert re.fullmatch(rf"{counts}: about \d+ (s|min) on 2 workers", last)
    assert tree(tmp_path) == before


def test_the_estimate_is_near_the_time_of_an_epoch_on_a_worker(client: Any):
    """Near within a factor of three: the machine may have other work."""
    config = TrainConfig(
        dataset="sprites", image_size=8, batch_size=32, epochs=1, device="cpu"
    )
    data = load_dataset("sprites", image_size=8)
    future = client.submit(load_dataset, "sprites", image_size=8)

    def epoch(sweep: str) -> None:
        arguments = (config, future, None, sweep, True, {})
        task = client.submit(cluster.one_epoch, *arguments)
        task.result()

    epoch("first")  # it imports torch
    began = time.perf_counter()
    epoch("second")
    true = time.perf_counter() - began
    assert true / 3 < cluster.measure_epoch(config, data) < 3 * true


# Interruptions


def workers_of(local: Any) -> list[psutil.Process]:
    """Return the worker processes of a local cluster."""
    found = (one.process.pid for one in local.processes if one.process and one.runs)
    return [psutil.Process(pid) for pid in found]


def test_all_workers_are_killed_again_and_again(
    client: Any, reference: Path, tmp_path: Path
):
    """They hold the data too, which this sweep was given as tensors."""
    killed, over, rng = 0, threading.Event(), random.Random(7)

    def kill() -> None:
        nonlocal killed
        while killed < 3 and not over.wait(rng.uniform(0.5, 1.5)):
            if any(client.processing().values()):
                for process in workers_of(client.cluster):
                    process.kill()
                killed += 1

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        data = load_dataset("sprites", image_size=8)
        assert sweep(grid_in(tmp_path), client, data, quiet=True) == {}
    finally:
        over.set()
        killer.join()
    assert killed == 3
    assert_same_group(tmp_path / "g", reference)


@contextmanager
def after_an_epoch(folder: Path, happen: Callable[[], object]) -> Iterator[None]:
    """Let something happen as soon as a sweep in the `with` block ends an epoch."""

    def wait() -> None:
        until(lambda: list(folder.glob("*/state.pt")), "an epoch")
        happen()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_workers_are_killed_while_they_start(tmp_path: Path):
    """At first all of them, and then one."""
    configs = grid(**SPRITES | dict(epochs=1), seed=[1, 2], project_dir=str(tmp_path))
    with cluster.local_cluster(2) as two, Client(two) as client:
        for count in (2, 1):
            until(lambda: len(workers_of(two)) == 2, "two processes")
            killed = workers_of(two)[:count]
            for process in killed:
                process.kill()
            psutil.wait_procs(killed, timeout=10)
        assert sweep(configs, client, quiet=True) == {}


def test_workers_that_cannot_be_replaced(
    cli: Cli, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The sweep ends with a sentence, and the same command continues it."""
    before = set(psutil.Process().children())
    monkeypatch.setattr(workers, "STARTS", 2)

    def kill() -> None:
        monkeypatch.setattr(workers, "PROGRAM", "import nowhere")
        for process in set(psutil.Process().children()) - before:
            process.kill()

    with after_an_epoch(tmp_path / "g", kill):
        answer = cli("sweep", *flags_in(tmp_path, workers=2))
    assert answer.refusal == (
        "vaelib sweep: no worker process can be started "
        "(ModuleNotFoundError: No module named 'nowhere'), "
        "all finished epochs are kept: repeat the command to continue."
    )
    assert set(psutil.Process().children()) <= before
    monkeypatch.undo()
    assert sum(job.ended for job in plan(grid_in(tmp_path))) in range(1, 9)
    assert cli("sweep", *flags_in(tmp_path, workers=2)).code == 0
    assert_same_group(tmp_path / "g", reference)


def test_a_task_that_kills_its_workers_fails(
    client: Any, monkeypatch: pytest.MonkeyPatch
):
    """Dask would say so in four sentences and a link."""
    monkeypatch.setattr(client.cluster.scheduler, "allowed_failures", 1)
    future = client.submit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    until(future.done, "the end of the task")
    assert str(workers.Workers(client).error_of(future)) == (
        "workers were killed by it, 2 in a row, perhaps for lack of memory: "
        "give fewer --workers, or repeat the command to continue."
    )


def test_a_process_that_does_not_connect_is_replaced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "CONNECT", 0.2)
    monkeypatch.setattr(workers, "STARTS", 2)
    monkeypatch.setattr(workers, "PROGRAM", "import time; time.sleep(60)")
    worker, pids = workers.WorkerProcess("0", {}), set()
    while not worker.failed:
        worker.look_after("tcp://127.0.0.1:1", connected=False)
        pids.add(worker.process and worker.process.pid)
    assert len(pids) == 2
    assert worker.reason() == f"exit status {-signal.SIGKILL}"
    worker.end(deadline=0)


def test_no_worker_on_a_cluster_of_the_user(
    client: Any,
    reference: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """The only worker stands still and the user stops the sweep; then it is killed."""
    monkeypatch.setattr(workers, "NOTE", 0.5)
    monkeypatch.setattr(workers, "WAIT", 2)
    monkeypatch.setattr(runner, "STOP", 2)
    configs = grid_in(tmp_path)
    one: Any = cluster.local_cluster(1)
    # A client of an address knows nothing of the processes.
    with one, Client(one.scheduler_address) as mine:
        mine.wait_for_workers(1, timeout=60)
        one.over.set()  # nobody replaces them

        def lose_it() -> None:
            workers_of(one)[0].suspend()
            os.kill(os.getpid(), signal.SIGINT)

        with after_an_epoch(tmp_path / "g", lose_it), pytest.raises(Interrupted) as end:
            sweep(configs, mine)
        assert str(end.value) == (
            "stopped, but no worker saved the epochs that were not finished: "
            "repeat the command to continue."
        )
        for process in workers_of(one):
            process.kill()
        began = time.monotonic()
        with pytest.raises(RunError, match="no worker has been there for 2 s, all"):
            sweep(configs, mine)
        assert 2 <= time.monotonic() - began < 30
    note = "vaelib sweep: no worker is there: waiting for one, at most 2 s.\n"
    assert capsys.readouterr().err.endswith(note)
    monkeypatch.undo()
    assert sweep(configs, client, quiet=True) == {}
    assert_same_group(tmp_path / "g", reference)


def test_the_scheduler_is_gone(
    start: Start, client: Any, reference: Path, tmp_path: Path, monkeypatch: Any
):
    """It does not answer, or it is killed."""
    monkeypatch.setattr(workers, "ANSWER", 10)
    address = f"tcp://127.0.0.1:{free_port()}"
    where = ("--host", "127.0.0.1", "--no-dashboard")
    module = "distributed.cli.dask_scheduler"
    scheduler = start("scheduler", module, *where, "--port", address.split(":")[2])
    start("worker", "distributed.cli.dask_worker", address, *where, "--nthreads", "1")
    configs, group = grid_in(tmp_path), tmp_path / "g"
    with Client(address, timeout=60) as mine:
        mine.wait_for_workers(1, timeout=60)
        gone = pytest.raises(RunError, match="the Dask scheduler is gone, all finished")
        with after_an_epoch(group, scheduler.suspend), gone:
            sweep(configs, mine, quiet=True)
        scheduler.resume()
    monkeypatch.undo()

    flags = [*FLAGS, "--group", "g", "--project-dir", str(tmp_path)]
    command = start("client", *SWEEP, *flags, "--scheduler", address)
    log, ended = tmp_path / "client.log", len(list(group.glob("*/*.pt")))
    until(lambda: len(list(group.glob("*/*.pt"))) > ended, "another epoch")
    scheduler.kill()
    assert command.wait(120) == 2, log.read_text()
    assert log.read_text().splitlines()[-1] == (
        "vaelib sweep: the Dask scheduler is gone, all finished epochs are kept: "
        "repeat the command to continue."
    )
    assert "Traceback" not in log.read_text()
    assert sweep(configs, client, quiet=True) == {}
    assert_same_group(group, reference)


def test_a_script_needs_no_guard(tmp_path: Path):
    """A worker process does not import the script that has started it."""
    script = tmp_path / "script.py"
    script.write_text(
        "from vaelib.sweeps import grid, sweep\n"
        "sizes = dict(dataset='sprites', image_size=8, hidden_dim=(8,), epochs=1)\n"
        "print(sweep(grid(**sizes, seed=[1, 2], group='g'), workers=2))\n"
    )
    command = [sys.executable, str(script)]
    pipes: dict[str, Any] = dict(capture_output=True, text=True, timeout=120)
    done = subprocess.run(command, cwd=tmp_path, **pipes)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("2 runs, 0 finished, 0 begun, in") == 1
    assert done.stdout.endswith("[2 of 2]\n{}\n")
    assert len(list((tmp_path / "reports" / "g").glob("seed=*/vae_epoch_0000.pt"))) == 2


def test_it_says_that_it_waits_for_another_process(
    client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    configs = grid(**SPRITES | dict(epochs=1), seed=[1, 2], project_dir=str(tmp_path))
    other = plan(configs)[1]
    other.acquire()

    def release() -> None:
        time.sleep(3)
        other.lock.close()

    with after_an_epoch(other.run.path.parent, release):
        assert sweep(configs, client) == {}
    assert capsys.readouterr().err == (
        "vaelib sweep: waiting for another process, which trains seed=2; "
        "Ctrl-C ends this.\n"
    )


def test_the_whole_command_is_killed(
    start: Start, reference: Path, damage: Callable[[Path], str], tmp_path: Path
):
    """Finished runs are not changed, files are complete, and workers end too."""
    group, log, rng = tmp_path / "g", tmp_path / "sweep.log", random.Random(1312)
    flags = flags_in(tmp_path, workers=2)

    def finished() -> list[Path]:
        jobs = [job for job in plan(grid_in(tmp_path)) if job.finished]
        return [job.run.path / "state.pt" for job in jobs]

    command = start("sweep", *SWEEP, *flags)
    until(finished, "a finished run")
    time.sleep(rng.uniform(0, 0.4))
    workers = command.children(recursive=True)
    assert len(workers) >= 2
    command.kill()  # only the client, as if the machine ran out of memory
    assert command.wait(120) == -signal.SIGKILL
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    assert not [what for what in map(damage, group.rglob("[!.]*.*")) if what]
    before = {path: path.stat().st_mtime_ns for path in finished()}
    command = start("sweep", *SWEEP, *flags)
    assert command.wait(120) == 0, log.read_text()
    assert re.match(r"3 runs, [1-2] finished, [1-2] begun, in", log.read_text())
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert_same_group(group, reference)


def test_ctrl_c_loses_no_update(start: Start, reference: Path, tmp_path: Path):
    """Each run in training is saved within its epoch."""
    log, flags = tmp_path / "sweep.log", flags_in(tmp_path, workers=2)

    def ended() -> int:
        return len(list(tmp_path.glob("g/*/vae_epoch_*.pt")))

    command = start("sweep", *SWEEP, *flags)
    until(lambda: ended() > 0, "an epoch")
    time.sleep(0.3)
    os.killpg(command.pid, signal.SIGINT)
    assert command.wait(120) == 130, log.read_text()
    assert log.read_text().splitlines()[-1] == (
        "vaelib sweep: stopped, nothing is lost: repeat the command to continue."
    )
    states = [files.read_tensors(f)["state"] for f in tmp_path.glob("g/*/state.pt")]
    assert any(state["step"] > state["epoch"] * 625 for state in states)
    command = start("sweep", *SWEEP, *flags)
    assert command.wait(120) == 0, log.read_text()
    assert_same_group(tmp_path / "g", reference)


def test_two_sweeps_on_one_group_share_the_work(
    start: Start, reference: Path, tmp_path: Path
):
    flags = flags_in(tmp_path, workers=1)
    commands = [start(name, *SWEEP, *flags) for name in ("one", "two")]
    codes = [command.wait(120) for command in commands]
    log = "".join((tmp_path / f"{name}.log").read_text() for name in ("one", "two"))
    assert codes == [0, 0], log
    assert log.count(": test recon") == 3, log
    assert log.count(": finished by another sweep") == 3, log
    assert_same_group(tmp_path / "g", reference)


# Clusters


def test_a_local_cluster_listens_on_loopback_only(client: Any):
    """All sockets of scheduler, dashboard and workers are checked."""
    client.wait_for_workers(2, timeout=60)
    here = psutil.Process()
    sockets = [
        found
        for process in (here, *here.children(recursive=True))
        for found in process.net_connections("inet")
    ]
    listening = [
        found.laddr.ip for found in sockets if found.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 4
    assert set(listening) == {"127.0.0.1"}
    assert client.dashboard_link.startswith("http://127.0.0.1:")


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch):
    """With fewer workers than cores, each worker has several threads."""
    import torch

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with cluster.local_cluster(1) as one, Client(one) as client:
        client.wait_for_workers(1, timeout=60)
        threads: Any = client.run(torch.get_num_threads)
    assert set(threads.values()) == {CPU_COUNT}
    assert cluster.default_workers(1) == 1
    assert cluster.default_workers(10_000) == CPU_COUNT


def free_port() -> int:
    """Return a port that is not in use."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def example(address: str, flags: list[str]) -> list[str]:
    """Return the commands of the book's cluster example, with another address.

    `flags` are added to its last command, the sweep.
    """
    text = (ROOT / "book/many-runs.md").read_text(encoding="utf-8")
    text = text.partition("<!-- cluster -->")[2].partition("<!-- /cluster -->")[0]
    host, port = address.removeprefix("tcp://").split(":")
    text = text.replace("127.0.0.1", host).replace("8786", port)
    lines = text.strip().splitlines()[1:-1]
    return [*lines[:-1], shlex.join([*shlex.split(lines[-1]), *flags])]


@pytest.mark.skipif(os.name == "nt", reason="The example is for a shell.")
def test_the_cluster_of_the_book(
    start: Start,
    cli: Cli,
    reference: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Each worker has its own folder. One of them is killed and does not return."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "TIMEOUT", 3)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    address = f"tcp://127.0.0.1:{free_port()}"
    lines = example(address, [*FLAGS, "--group", "g"])
    export, mkdir, scheduler, worker, one, two, command = lines

    start("scheduler", "bash", "-c", f"{mkdir}\n{scheduler.rstrip('&')}")
    Client(address, timeout=60).close()  # on a busy machine it takes a while to answer
    message = cli("sweep", "--scheduler", address).refusal
    assert f"the scheduler at {address} has no workers" in message
    workers = [
        start(name, "bash", "-c", f"{export}\n{worker}\n{line.rstrip('&')}")
        for name, line in (("one", one), ("two", two))
    ]

    def environment() -> tuple[str | None, int]:
        trim = os.environ.get("MALLOC_TRIM_THRESHOLD_")
        return trim, int(os.environ["OMP_NUM_THREADS"])

    with Client(address) as probe:
        probe.wait_for_workers(2, timeout=60)
        found: Any = probe.run(environment)
    assert set(found.values()) == {(None, 1)}

    client = start("client", "bash", "-c", command)
    group = tmp_path / "reports" / "g"
    until(lambda: list(group.glob("*/state.pt")), "an epoch")
    kill_all(workers[1])
    assert client.wait(120) == 0, (tmp_path / "client.log").read_text()
    assert_same_group(group, reference)
    for name in ("one", "scheduler"):
        assert not list((tmp_path / name).rglob("*.pt"))
    # Worker two may have been killed while it wrote a file in a folder of its own.
    left = [file.parts for file in (tmp_path / "two").rglob("*.pt")]
    assert all("dask-scratch-space" in parts for parts in left)


def test_no_scheduler(cli: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "TIMEOUT", 1)
    address = f"tcp://127.0.0.1:{free_port()}"
    message = cli("sweep", "--scheduler", address).refusal
    assert f"scheduler is '{address}', but no Dask scheduler answers" in message
    message = cli("sweep", "--scheduler", "nonsense://x").refusal
    assert "no Dask scheduler answers" in message


def test_without_dask_it_says_what_to_install(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
):
    for name in ("cluster", "runner"):
        monkeypatch.delitem(sys.modules, f"vaelib.sweeps.{name}")
        monkeypatch.delattr(f"vaelib.sweeps.{name}")
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "pip install 'vaelib[sweep]'" in cli("sweep").refusal


def test_a_sweep_goes_on_only_with_the_pictures_it_began_with(
    client: Any, pictures: Path, tmp_path: Path
):
    folder = Path(shutil.copytree(pictures, tmp_path / "pics"))
    common: Any = dict(dataset=f"folder:{folder}", image_size=8, hidden_dim=(4,))
    common |= dict(lr_schedule="none", group="g", project_dir=str(tmp_path))
    assert sweep(grid(**common, seed=[1, 2], epochs=1), client, quiet=True) == {}
    (folder / "00.png").unlink()
    failed = sweep(grid(**common, seed=[1, 2], epochs=2), client, quiet=True)
    assert set(failed) == {"seed=1", "seed=2"}
    for why in failed.values():
        assert "36 + 4 (training + test) then, 35 + 4 now" in why
