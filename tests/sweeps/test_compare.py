"""Comparisons: figures are those of the runs, and different units are kept apart."""

from __future__ import annotations

import csv
import io
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image

from vaelib import plotting, runs
from vaelib.data import ImageData, load_dataset, pixels
from vaelib.sweeps import compare, grid
from vaelib.sweeps.figures import RunStyles
from vaelib.train import train

if TYPE_CHECKING:
    from conftest import Cli, Tree

SPRITES: dict[str, Any] = dict(
    dataset="sprites",
    image_size=8,
    hidden_dim=(16,),
    batch_size=500,
    epochs=2,
    device="cpu",
)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of nine runs: three losses, three seeds each."""
    folder = tmp_path_factory.mktemp("compared")
    varied = dict(loss=["bce", "mse", "gaussian"], seed=[1, 2, 3])
    configs = grid(**SPRITES, **varied, latent_dim=3, project_dir=str(folder))
    for config in configs:
        train(config, quiet=True)
    return folder / "sprites-grid"


@pytest.fixture(scope="module")
def found(group: Path) -> list[compare.Result]:
    return compare.results(group)


def test_figures_are_those_of_the_runs(group: Path, found: list[compare.Result]):
    test = load_dataset("sprites", image_size=8).test
    assert len(found) == 9
    for result in found:
        run = group / result.name
        with open(run / "curves" / "train_log.csv", newline="") as lines:
            rows = list(csv.DictReader(lines))
        figures = result.figures
        for name in ("recon", "kl", "total", "neg_elbo"):
            assert figures[name] == pytest.approx(float(rows[-1][name]), abs=1e-6)
        seconds = sum(float(row["seconds"]) for row in rows)
        assert figures["seconds"] == pytest.approx(seconds, abs=1e-5)
        model, _ = runs.load(run)
        with torch.no_grad():
            spread = model.encode(pixels(test))[0].double().var(0)
        assert figures["active_units"] == int((spread > 0.01).sum())


def test_runs_of_both_objectives_are_compared_by_their_common_figures(tmp_path: Path):
    varied = dict(objective=["elbo", "iwae"], samples=[1, 3])
    configs = grid(**SPRITES, **varied, latent_dim=3, project_dir=str(tmp_path))
    for config in configs:
        run = train(config, quiet=True)
        with open(run.path / "curves" / "train_log.csv", newline="") as lines:
            [*_, last] = csv.DictReader(lines)
        is_iwae = config.objective == "iwae"
        assert ("neg_iwae" in last) == is_iwae
        assert last["total"] == last["neg_iwae" if is_iwae else "neg_elbo"]
    found = compare.results(tmp_path / "sprites-grid")
    assert len(found) == 4
    assert all(r.rows[-1]["neg_elbo"] == r.figures["neg_elbo"] for r in found)
    assert "objective=iwae-samples=3" in compare.table(found)


def test_likelihoods_of_256_levels_come_with_the_unit_of_bits(tmp_path: Path):
    given = dict(latent_dim=3, loss="logistic", project_dir=str(tmp_path))
    for config in grid(**SPRITES, **given, seed=[1, 2]):
        train(config, quiet=True)
    found = compare.results(tmp_path / "sprites-grid")
    assert {r.kind for r in found} == {
        "sprites 1x8x8 grey, negative log-likelihood of 256 levels"
    }
    per_bit = 64 * math.log(2)
    assert f"divided by {per_bit:.2f} they are bits" in compare.table(found)


def test_densities_and_cross_entropies_are_kept_apart(found: list[compare.Result]):
    blocks = compare.kinds(found)
    losses = {kind: {r.config.loss for r in runs} for kind, runs in blocks.items()}
    assert losses == {
        "sprites 1x8x8 grey, cross-entropy": {"bce"},
        "sprites 1x8x8 grey, density": {"mse", "gaussian"},
    }
    for members in blocks.values():
        sums = [r.figures["neg_elbo"] for r in members]
        assert sums == sorted(sums)
    for block in compare.table(found).split("**")[2::2]:
        losses = set(re.findall(r"loss=(\w+)", block))
        assert losses in ({"bce"}, {"mse", "gaussian"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (dict(binarize="none"), dict(binarize="fixed")),
        (dict(loss="bce"), dict(loss="mse")),
        (dict(image_size=8), dict(image_size=12)),
        (dict(dataset="sprites"), dict(dataset="mnist", image_size=28)),
    ],
    ids=str,
)
def test_runs_that_cannot_be_compared_have_different_kinds(
    one: dict[str, Any], other: dict[str, Any], found: list[compare.Result]
):
    made = []
    for settings in (one, other):
        config = replace(found[0].config, **dict(loss="bce") | settings)
        size = config.image_size
        test = torch.zeros(1, 1, size, size, dtype=torch.uint8)
        made.append(replace(found[0], config=config, test=test))
    assert made[0].kind != made[1].kind
    config = replace(made[0].config, latent_dim=7, seed=9, beta=4.0)
    assert replace(made[0], config=config).kind == made[0].kind


def test_fixed_and_dynamic_binarization_are_of_one_kind(found: list[compare.Result]):
    """Their test images are the same."""
    configs = [replace(found[0].config, binarize=how) for how in ("fixed", "dynamic")]
    first, second = (replace(found[0], config=config).kind for config in configs)
    assert first == second
    assert "black and white" in first


def test_csv_has_a_line_for_each_run(found: list[compare.Result]):
    lines = list(csv.DictReader(io.StringIO(compare.table_csv(found))))
    assert len(lines) == 9
    for line, result in zip(lines, found, strict=True):
        assert (line["kind"], line["run"]) == (result.kind, result.name)
        assert line["loss"] == result.config.loss
        assert int(line["seed"]) == result.config.seed
        assert "latent_dim" not in line, "it does not vary"
        assert int(line["epochs_ended"]) == 2
        for name, value in result.figures.items():
            assert float(line[name]) == pytest.approx(value, abs=1e-6)


def test_mean_and_standard_deviation_over_seeds(found: list[compare.Result]):
    text = compare.table(found)
    assert text.count("Mean and standard deviation over seeds") == 2
    values = [r.figures["neg_elbo"] for r in found if r.config.loss == "bce"]
    [line] = re.findall(r"^\| all \| 3 \|.*", text, re.M)  # the only ones of their kind
    assert f"{mean(values):.2f} ± {stdev(values):.2f}" in line
    assert re.search(r"^\| loss=mse \| 3 \|", text, re.M)
    single = compare.table([r for r in found if r.config.seed == 1])
    assert "over seeds" not in single


def test_only_runs_that_differ_in_their_seed_look_the_same(
    found: list[compare.Result],
):
    styles = RunStyles(found)
    mse = [r for r in found if r.config.loss == "mse"]
    assert len({repr(styles.of(r.config)) for r in found}) == 3
    assert len({repr(styles.of(r.config)) for r in mse}) == 1


def test_every_run_is_in_every_figure(found: list[compare.Result]):
    blocks = compare.kinds(found)
    figure = compare.curves(found)
    drawn = [axes.get_lines() for axes in figure.axes]
    sizes = [len(members) for members in blocks.values() for _ in range(3)]
    assert [len(lines) for lines in drawn] == sizes
    first: Any = drawn[0][0].get_ydata()
    assert list(first) == [row["neg_elbo"] for row in found[0].rows]
    assert all(axes.get_title(loc="left") and axes.get_xlabel() for axes in figure.axes)

    figure = compare.rate_distortion(found)
    assert len(figure.axes) == 2
    for axes, (kind, members) in zip(figure.axes, blocks.items(), strict=True):
        assert axes.get_title(loc="left") == kind.replace(", ", "\n")
        lines = axes.get_lines()[: len(members)]
        points = [tuple(line.get_xydata()[0]) for line in lines]  # pyright: ignore
        assert points == [(r.figures["kl"], r.figures["recon"]) for r in members]
        assert "nats per image" in axes.get_xlabel()

    for members in blocks.values():
        [axes] = compare.contact_sheet(members).axes
        assert len(axes.get_yticklabels()) == 1 + len(members)


def test_a_contact_sheet_of_very_many_runs_shows_the_first_hundred(
    found: list[compare.Result],
):
    [members, *_] = compare.kinds(found).values()
    figure = compare.contact_sheet([members[0]] * 150)
    [axes] = figure.axes
    assert len(axes.get_yticklabels()) == 101
    assert axes.get_title(loc="left").endswith("(the first 100 of 150)")
    width, height = figure.get_size_inches() * figure.dpi
    assert width * height < 1.3 * plotting.MOST_DOTS


def test_the_command_writes_all_files_and_may_be_repeated(
    cli: Cli, group: Path, tmp_path: Path, tree: Tree, found: list[compare.Result]
):
    copy = Path(shutil.copytree(group, tmp_path / "reports" / "g", symlinks=True))
    (copy / "begun").mkdir()  # a run in its first epoch is left out
    shutil.copy(copy / "latest" / "run_meta.json", copy / "begun")
    before = tree(copy)
    for name in ("g", str(copy)):
        answer = cli("compare", name, "--project-dir", tmp_path / "reports")
        assert answer.code == 0
        assert compare.table(found) in answer.out
    new = {name for name in tree(copy) if name not in before}
    sheets = ["contact_sheet_1.png", "contact_sheet_2.png"]
    names = ["table.csv", "table.md", "curves.png", "rate_distortion.png", *sheets]
    assert new == {"comparison", *(f"comparison/{name}" for name in names)}
    assert tree(copy).items() >= before.items()
    text = (copy / "comparison" / "table.md").read_text(encoding="utf-8")
    assert text == compare.table(found)
    for picture in (copy / "comparison").glob("*.png"):
        Image.open(picture).load()


def test_own_tensors(tmp_path: Path):
    sprites = load_dataset("sprites", image_size=8)
    data = ImageData(sprites.train[:100], sprites.test[:50])
    where = dict(group="g", project_dir=str(tmp_path))
    for config in grid(
        dataset="tensors", hidden_dim=(8,), seed=[1, 2], epochs=1, **where
    ):
        train(config, data, quiet=True)
    assert len(compare.results(tmp_path / "g", data)) == 2


def test_bad_input_gets_one_sentence_and_writes_nothing(
    cli: Cli, group: Path, tmp_path: Path, tree: Tree
):
    before = tree(group)
    for name in ("nowhere", tmp_path):
        message = cli("compare", name).refusal
        assert "contains no run that has finished an epoch" in message
    (tmp_path / "mine").mkdir()
    message = cli("compare", group, "--output", tmp_path / "mine").refusal
    assert "mine exists already: give another --output" in message
    assert tree(tmp_path) == {"mine": "folder"}
    assert tree(group) == before


def test_a_bad_member_is_named_and_left_out(
    group: Path, found: list[compare.Result], tmp_path: Path, cli: Cli
):
    """A damaged run, one whose pictures are gone, and `latest` copied as a folder."""
    copy = Path(shutil.copytree(group, tmp_path / "copy", symlinks=True))
    names = sorted(path.parent.name for path in copy.glob("loss*/run_meta.json"))
    (copy / names[0] / "state.pt").write_bytes(b"damaged")
    meta = copy / names[1] / "run_meta.json"
    meta.write_text(meta.read_text().replace('"sprites"', '"folder:gone"'))
    (copy / names[2] / "vae_epoch_0001.pt").unlink()
    (copy / "latest").unlink()
    shutil.copytree(copy / names[3], copy / "latest")
    (copy / names[4]).rename(copy / "my favourite | run")

    with pytest.warns(UserWarning, match="is left out") as warned:
        left = compare.results(copy)
    kept = [result.name for result in found if result.name not in names[:3]]
    expected = [name.replace(names[4], "my favourite | run") for name in kept]
    assert sorted(result.name for result in left) == sorted(expected)
    assert [str(w.message).partition(" is left out: ")[0] for w in warned] == names[:3]

    answer = cli("compare", copy)
    assert answer.code == 0
    notes = answer.err.splitlines()
    assert [note.split()[1] for note in notes] == names[:3]
    assert "state.pt is damaged" in notes[0]
    assert "gone" in notes[1]
    assert r"| my favourite \| run |" in answer.out


def test_a_group_of_bad_members_only_says_why(group: Path, tmp_path: Path, cli: Cli):
    one = next(group.glob("loss*"))
    shutil.copytree(one, tmp_path / "g" / "a")
    (tmp_path / "g" / "a" / "state.pt").write_bytes(b"damaged")
    assert "state.pt is damaged" in cli("compare", tmp_path / "g").err
