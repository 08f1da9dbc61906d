"""`make paper`: the runs of Figs 2 and 3, stopped and continued, and their tables."""

from __future__ import annotations

import csv
import io
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import experiments
import psutil
import pytest
import torch

import vaelib
from vaelib import TrainConfig, files, start
from vaelib.evaluation import importance_nll
from vaelib.losses import reconstruction
from vaelib.paper.experiments import bounds, likelihoods

ROOT = Path(__file__).parents[1]
TINY = """
[fig2]
dataset = "mnist"
method = ["aevb", "wake_sleep"]
hidden_dim = [4]
latent_dim = 2
train_images = 2000
images = { aevb = 10_000, wake_sleep = 10_000 }
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose the step size and measure early."""
    monkeypatch.setattr(experiments, "FIRST", 300)
    monkeypatch.setattr(experiments, "POINTS", [300, 700, 2500, 9000])


def rows(folder: Path, figure: str) -> list[dict[str, str]]:
    """Return the rows of the table of a figure."""
    table = experiments.table(folder, figure, folder / f"{figure}.csv")
    return list(csv.DictReader(io.StringIO(table.decode())))


def tiny(folder: Path) -> list[tuple[TrainConfig, int]]:
    """Return the runs of a small table, which is written to runs.toml."""
    file = folder / "runs.toml"
    file.write_text(TINY)
    return experiments.read(file)["fig2"]


def test_the_runs_are_those_of_the_paper():
    figures = experiments.read(ROOT / "book" / "experiments.toml")
    others = {"collapse", "iwae", experiments.SWITCHED}
    assert set(figures) == {"fig2", "fig2_frey", "fig3"} | others
    two, three = ([run for run, _ in figures[name]] for name in ("fig2", "fig3"))
    assert {run.latent_dim for run in two} == {3, 5, 10, 20, 200}
    assert {run.method for run in two} == {"aevb", "wake_sleep"}
    assert {run.hidden_dim for run in two} == {(500,)}
    assert {run.train_images for run in three} == {1000, 50_000}
    assert {run.method for run in three} == {"aevb", "wake_sleep", "mcem"}
    assert {(run.hidden_dim, run.latent_dim) for run in three} == {((100,), 3)}
    ends = {run.method: images for run, images in figures["fig3"]}
    assert ends["mcem"] >= 5e6
    assert ends["aevb"] == ends["wake_sleep"] > ends["mcem"]
    assert {images for _, images in figures["fig2"]} == {10**7}
    for run in two + three:
        assert (run.batch_size, run.activation) == (100, "tanh")
        assert (run.optimizer, run.init) == ("adagrad", "normal")
        assert (run.weight_prior, run.binarize) == ("normal", "dynamic")


def test_the_other_runs_are_those_of_burda_et_al():
    figures = experiments.read(ROOT / "book" / "experiments.toml")
    runs = [run for run, _ in figures["iwae"]]
    found = {(run.objective, run.samples) for run in runs}
    assert found == {("elbo", 1), ("iwae", 5), ("iwae", 50), ("elbo", 5), ("elbo", 50)}
    for run, images in figures["iwae"] + figures[experiments.SWITCHED]:
        assert (run.hidden_dim, run.latent_dim) == ((200, 200), 50)
        assert (run.activation, run.binarize) == ("tanh", "dynamic")
        assert images == 60_000 * run.epochs
    for run, _ in figures[experiments.SWITCHED]:
        first, images = experiments.first_stage(run, figures)
        assert first.objective != run.objective
        assert (first, images) in figures["iwae"]


def test_the_runs_of_collapse_are_each_cure_on_both_models():
    figures = experiments.read(ROOT / "book" / "experiments.toml")
    runs = [run for run, _ in figures["collapse"]]
    assert len(runs) == len(set(runs)) == 6 * 2 * 3
    assert {images for _, images in figures["collapse"]} == {200_000}
    assert {run.hidden_dim for run in runs} == {(200,), (200,) * 5}
    assert {run.seed for run in runs} == {1, 2, 3}
    varied = {experiments.file_of(ROOT, "collapse", run) for run in runs}
    assert len(varied) == len(runs)


def test_a_run_of_collapse_goes_on_and_measures_each_latent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(vaelib.paper.experiments, "AT_THE_END_OF_COLLAPSE", (6, 300))
    monkeypatch.setattr(vaelib.paper.experiments, "ON_THE_WAY", (2, 100))
    monkeypatch.setattr(experiments, "POINTS", [500, 2500])
    given: dict[str, Any] = dict(train_images=2000, binarize="dynamic", epochs=2)
    given |= dict(batch_size=500)
    given |= dict(hidden_dim=(20,), encoder_updates=2, free_bits=0.1)
    config = TrainConfig(**given, device="cpu", seed=3)
    for stops in ([4000], [700, 4000]):
        file = tmp_path / str(len(stops)) / "collapse-a.pt"
        file.parent.mkdir()
        for stop in stops:
            experiments.train("collapse", config, stop, file)
    one, two = (rows(tmp_path / name, "collapse") for name in "12")
    same = [[row | dict(seconds="") for row in found] for found in (one, two)]
    assert same[0] == same[1]
    assert [row["images"] for row in one] == ["500", "2500", "4000"]
    assert [row["tested"] for row in one] == ["100", "100", "300"]
    [*_, last] = one
    assert (last["hidden_dim"], last["encoder_updates"]) == ("(20,)", "2")
    each = [float(last[f"kl_{j}"]) for j in range(1, 21)]
    assert each == sorted(each, reverse=True)
    assert sum(each) == pytest.approx(float(last["kl"]), abs=0.02)
    assert float(last["nll"]) < float(last["recon"]) + float(last["kl"])


SMALL = """
[iwae]
train_images = 2000
hidden_dim = [20]
objective = ["elbo", "iwae"]
samples = [1, 3]
epochs = 2

[iwae_switched]
train_images = 2000
hidden_dim = [20]
objective = ["iwae", "elbo"]
samples = [3, 1]
epochs = 1
"""


def test_runs_of_burda_et_al_go_on_from_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Stopped within an epoch too, and with the likelihood by more draws at the end."""
    monkeypatch.setattr(vaelib.paper.experiments, "AS_IN_TABLE_1", (6, 900))
    monkeypatch.setattr(vaelib.paper.experiments, "ON_THE_WAY", (2, 100))
    file = tmp_path / "runs.toml"
    file.write_text(SMALL)
    figures, one = experiments.read(file), list[dict[str, str]]()
    for config, _ in figures["iwae"]:
        for stops in ([4000], [500, 2600, 4000]):
            saved = experiments.file_of(tmp_path / str(len(stops)), "iwae", config)
            saved.parent.mkdir(exist_ok=True)
            for stop in stops:
                experiments.train("iwae", config, stop, saved)
        one, two = (rows(tmp_path / name, "iwae") for name in "13")
        assert [row | dict(seconds="") for row in one] == [
            row | dict(seconds="") for row in two
        ]
    assert [row["images"] for row in one[:4]] == ["500", "750", "2500", "4000"]
    assert [row["draws"] for row in one[:4]] == ["2", "2", "2", "6"]
    assert [row["tested"] for row in one[2:4]] == ["100", "900"]
    assert {images for _, images in figures["iwae"]} == {4000}

    config, images = figures[experiments.SWITCHED][0]
    first, needed = experiments.first_stage(config, figures)
    assert (first.objective, first.samples) == ("elbo", 1)
    before = experiments.file_of(tmp_path / "1", "iwae", first)
    after = experiments.file_of(tmp_path, experiments.SWITCHED, config)
    stage = first, needed, before
    experiments.train(experiments.SWITCHED, config, images, after, stage)
    last = rows(tmp_path, experiments.SWITCHED)[-1]
    assert (last["objective"], last["images"]) == ("iwae", "2000")
    ended = {row["objective"]: float(row["nll"]) for row in one}
    assert float(last["nll"]) < ended["elbo"]


def test_a_run_that_was_stopped_ends_with_the_same_rows(tmp_path: Path):
    runs = tiny(tmp_path)
    assert [config.method for config, _ in runs] == ["aevb", "wake_sleep"]
    for config, _ in runs:
        ends = {"whole": [2500], "parts": [400, 2500]}
        for name, stops in ends.items():
            (tmp_path / name).mkdir(exist_ok=True)
            for stop in stops:
                experiments.train("fig2", config, stop, tmp_path / name / "fig2-a.pt")
        one, two = (rows(tmp_path / name, "fig2") for name in ends)
        assert [row["images"] for row in one] == ["300", "700", "2500"]
        assert [row | dict(seconds="") for row in one] == [
            row | dict(seconds="") for row in two
        ]
        assert float(one[-1]["train"]) > float(one[0]["train"])
        assert float(one[0]["lr"]) in experiments.STEP_SIZES


def test_a_run_goes_on_from_the_last_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Not from the last point, where little is trained between two saves."""
    (config, _), *_ = tiny(tmp_path)
    monkeypatch.setattr(experiments, "first_bound", lambda *_: 0)  # any step size
    whole, parts = tmp_path / "whole" / "fig2-a.pt", tmp_path / "parts" / "fig2-a.pt"
    for file in (whole, parts):
        file.parent.mkdir()
    experiments.train("fig2", config, 2500, whole)

    monkeypatch.setattr(experiments, "SAVE_EVERY", 0)
    monkeypatch.setattr(experiments, "updates", few_updates)
    with pytest.raises(KeyboardInterrupt):
        experiments.train("fig2", config, 2500, parts)
    assert files.read_tensors(parts)["seen"] == 1500
    monkeypatch.setattr(experiments, "updates", vaelib.updates)
    experiments.train("fig2", config, 2500, parts)
    one, two = (rows(file.parent, "fig2") for file in (whole, parts))
    assert [row | dict(seconds="") for row in one] == [
        row | dict(seconds="") for row in two
    ]


def few_updates(*args: Any) -> Iterator[Any]:
    """Yield what `updates` does for 15 mini-batches of 100; then Ctrl-C is pressed."""
    yield from itertools.islice(vaelib.updates(*args), 15)
    raise KeyboardInterrupt


def test_the_table_keeps_what_was_trained_further(tmp_path: Path):
    (config, _), *_ = tiny(tmp_path)
    file, table = tmp_path / "fig2-a.pt", tmp_path / "fig2.csv"
    experiments.train("fig2", config, 700, file)
    table.write_bytes(first := experiments.table(tmp_path, "fig2", table))
    file.unlink()
    experiments.train("fig2", config, 300, file)
    assert experiments.table(tmp_path, "fig2", table) == first
    file.unlink()
    assert experiments.table(tmp_path, "fig2", table) == first
    experiments.train("fig2", config, 2500, file)
    assert [row["images"] for row in rows(tmp_path, "fig2")] == ["300", "700", "2500"]


def test_the_step_size_is_the_one_that_learns_fastest(tmp_path: Path):
    config, _ = tiny(tmp_path)[0]
    data = experiments.dataset(config, "fig2")
    found = [
        experiments.first_bound(replace(config, lr=lr), data, 300)
        for lr in experiments.STEP_SIZES
    ]
    file = experiments.train("fig2", config, 300, tmp_path / "fig2-a.pt")
    best = experiments.STEP_SIZES[found.index(max(found))]
    assert files.read_tensors(file)["rows"][0]["lr"] == best


def test_fig_3_shows_log_p_of_x(tmp_path: Path):
    """App. D agrees with importance sampling, which the figure does not use."""
    config = replace(tiny(tmp_path)[0][0], hidden_dim=(50,), method="mcem")
    data = experiments.dataset(config, "fig3")
    assert len(data.test) == 1000
    model = start(config, data).model
    _, found = likelihoods(model, config, data, 40)
    nats, rng = reconstruction(config.loss), torch.Generator()
    batches = importance_nll(model, nats, data.test[:40], rng, 2000)
    exact = -torch.cat(list(batches)).mean()
    assert found == pytest.approx(exact.item(), abs=0.2)
    assert bounds(model, config, data, 40)[1] < exact - 0.05


def test_a_figure_without_its_data_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    table = ROOT / "book" / "experiments.toml"
    argv = [str(table), str(tmp_path / "work"), str(tmp_path), "--only", "fig2_frey"]
    assert experiments.main(argv) == 0
    assert "fig2_frey is left out: frey_face does not" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.csv"))


@pytest.mark.slow
def test_the_other_runs_go_on_when_one_fails(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    tiny(tmp_path)
    file, out = tmp_path / "runs.toml", tmp_path / "out"
    file.write_text(TINY.replace("2000", "[2000, 70_000]"))
    out.mkdir()
    argv = [str(file), str(tmp_path / "work"), str(out)]
    argv += ["--images", "10000", "--workers", "1"]
    assert experiments.main(argv) != 0
    said = capfd.readouterr()
    assert said.out.count("a run of fig2 failed: ") == said.out.count("is done") == 2
    assert "70000" in said.err
    table = list(csv.DictReader((out / "fig2.csv").open()))
    assert {row["method"] for row in table} == {"aevb", "wake_sleep"}


@pytest.mark.slow
def test_the_command_writes_the_table(tmp_path: Path):
    file, out = tmp_path / "runs.toml", tmp_path / "results"
    tiny(tmp_path)
    out.mkdir()
    command = [sys.executable, experiments.__file__, file, tmp_path / "work", out]
    command += ["--only", "fig2", "--images", "10000", "--workers", "1"]
    begun = subprocess.Popen(command)
    # A worker, and the process by which Python tracks what they share.
    while len(workers := psutil.Process(begun.pid).children()) < 2:
        time.sleep(0.1)
    begun.kill()
    begun.wait()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive, "a worker trains on without its main process"
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.count("is done") == 2
    for trained in (tmp_path / "work").glob("*.pt"):
        trained.unlink()
    assert subprocess.check_output(command) == b"", "runs of the table are not repeated"
    table = list(csv.DictReader((out / "fig2.csv").open()))
    assert {row["method"] for row in table} == {"aevb", "wake_sleep"}
    assert {row["vaelib"] for row in table} == {vaelib.__version__}
