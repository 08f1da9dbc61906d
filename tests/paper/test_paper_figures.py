"""The tables of Figs 2 and 3, and the figures that are drawn from them."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vaelib.checks import ConfigError
from vaelib.paper import experiments, figures
from vaelib.paper.experiments import over_seeds, results, select

ROOT = Path(__file__).parents[2]
Rows = list[dict[str, Any]]


def rows(
    ends: dict[str, int],
    latents: tuple[int, ...] = (3,),
    trained: tuple[int, ...] = (0,),
) -> Rows:
    """Return rows as those of a table, two seeds, to the number of images given."""

    def every() -> Iterator[dict[str, Any]]:
        for method, end in ends.items():
            for latent_dim in latents:
                for n in trained:
                    for seed in (1, 2):
                        for images in (10_000, 100_000, 10**6, 10**7):
                            if images <= end:
                                test = -200 + 10 * math.log10(images) + seed
                                yield dict(
                                    method=method,
                                    latent_dim=latent_dim,
                                    train_images=n,
                                    seed=seed,
                                    lr=0.02,
                                    images=images,
                                    train=test + 5,
                                    test=test,
                                )

    return list(every())


# Tables


@pytest.mark.parametrize("figure", ["fig2", "fig3"])
def test_a_table_is_that_of_the_repository_as_numbers(figure: str):
    with (ROOT / "book" / "results" / f"{figure}.csv").open(encoding="utf-8") as file:
        expected = list(csv.DictReader(file))
    found = results(figure)
    assert len(found) == len(expected) > 0
    for row, texts in zip(found, expected, strict=True):
        assert list(row) == list(texts)
        for name in ("latent_dim", "train_images", "seed", "images"):
            assert row[name] == int(texts[name])
            assert type(row[name]) is int
        for name in ("lr", "train", "test", "seconds"):
            assert row[name] == float(texts[name])
        for name in ("method", "vaelib", "torch", "machine"):
            assert row[name] == texts[name]


def test_the_rows_of_the_tables_are_plausible():
    for row in results("fig2") + results("fig3"):
        least = -600 if row["images"] >= 100_000 else -3000  # a run has just begun
        assert least < row["test"] < -60
        assert abs(row["train"] - row["test"]) < 60
        assert row["lr"] in (0.01, 0.02, 0.1)


def test_the_table_of_the_installed_package_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(experiments, "INSTALLED", tmp_path)
    (tmp_path / "fig9.csv").write_text("method,lr,machine\naevb,0.1,x86 (1 of 2)\n")
    assert results("fig9") == [dict(method="aevb", lr=0.1, machine="x86 (1 of 2)")]


def test_a_table_that_is_not_there_is_an_error_with_advice():
    known = r"no table 'fig7', only collapse, fig2.*make paper"
    with pytest.raises(ConfigError, match=known):
        results("fig7")


def test_rows_are_selected_by_their_settings():
    table = rows({"aevb": 10**5, "wake_sleep": 10**4}, latents=(3, 5))
    found = select(table, method="aevb", latent_dim=5, images=10**5)
    assert [row["seed"] for row in found] == [1, 2]
    assert select(table, latent_dim=7) == []
    assert select(table) == table


def test_a_mean_over_seeds_is_always_one_of_the_same_runs():
    table = rows({"aevb": 10**6})
    points = over_seeds(table, "test")
    assert [point.images for point in points] == [10_000, 100_000, 10**6]
    assert points[0] == (10_000, -158.5, -159, -158)
    assert over_seeds(table, "train")[0].mean == -153.5
    behind = [row for row in table if row["seed"] == 1 or row["images"] < 10**6]
    assert over_seeds(behind, "test") == points[:2]
    alone = over_seeds(select(table, seed=2), "test")
    assert [(p.low, p.high) for p in alone] == [(p.mean, p.mean) for p in alone]
    assert over_seeds([], "test") == []


# Figures


def lines(axes: Axes) -> list[tuple[str, str, int]]:
    """Return colour, style and number of points of each line that has points."""
    found = []
    for line in axes.get_lines():
        if n := len(line.get_xdata()):  # type: ignore[arg-type]
            found.append((str(line.get_color()), str(line.get_linestyle()), n))
    return found


def names(figure: Figure) -> list[str]:
    """Return the entries of the legend."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_figure_2_has_a_panel_for_each_number_of_latents():
    sizes = (3, 5, 10, 20, 200)
    table = rows({"aevb": 10**7, "wake_sleep": 10**6}, sizes)
    own = [select(table, latent_dim=20, seed=1, images=10**5)[0]]
    figure = figures.figure_2(table, own)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        f"{n} latents" for n in sizes
    ]
    blue, red = (figures.COLOUR[name] for name in ("aevb", "wake_sleep"))
    for axes in figure.axes:
        assert axes.get_xscale() == "log"
        assert axes.get_xlabel() == "training images"
        drawn = [(blue, "-", 4), (blue, "--", 4), (red, "-", 3), (red, "--", 3)]
        dots = [(blue, "None", 1)] if axes.get_title(loc="left") == "20 latents" else []
        assert sorted(lines(axes)) == sorted(drawn + dots)
    assert figure.axes[0].get_ylim() == (-200, -97.5)
    solid, dashed = figure.axes[0].get_lines()[:2]
    assert solid.get_ydata()[0] == -158.5  # pyright: ignore
    assert dashed.get_ydata()[0] == -153.5  # pyright: ignore
    assert names(figure)[-2:] == ["this notebook, test", "axes of the paper"]


def test_what_the_axes_of_the_paper_show_is_shaded():
    table = rows({"aevb": 10**6})
    shades = {"fig2": (-150, -100), "fig2_frey": (0, 1600)}
    for name, (low, high) in shades.items():
        [axes] = figures.figure_2(table, name=name).axes
        box = axes.collections[0].get_datalim(axes.transData)
        assert (box.y0, box.y1) == (low, high)
        assert (box.x0, box.x1) == (1e5, 1e8)


def test_figure_3_is_drawn_by_images_and_by_cost():
    table = rows({"aevb": 10**7, "mcem": 10**6}, trained=(1000, 50_000))
    figure = figures.figure_3(table)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "1,000 training images",
        "50,000 training images",
        "The same, by cost",
        "The same, by cost",
    ]
    green = figures.COLOUR["mcem"]
    for axes, scale in zip(figure.axes, (1, 1, 16, 16), strict=True):
        [line] = [
            line
            for line in axes.get_lines()
            if (line.get_color(), line.get_linestyle()) == (green, "-")
        ]
        expected = [scale * images for images in (10**4, 10**5, 10**6)]
        assert list(line.get_xdata()) == expected  # type: ignore
    assert names(figure) == [
        "AEVB (Algorithm 1)",
        "Monte Carlo EM",
        "test",
        "train",
        "axes of the paper",
    ]


def test_figures_of_the_first_rows_of_a_table_can_be_drawn():
    first = [rows({"wake_sleep": 10**4})[0]]
    figures.figure_2(first).canvas.draw()
    figures.figure_3([first[0] | dict(train_images=1000)]).canvas.draw()


@pytest.mark.parametrize("figure", ["fig2", "fig3"])
def test_the_tables_can_be_drawn(figure: str):
    draw = dict(fig2=figures.figure_2, fig3=figures.figure_3)[figure]
    draw(results(figure)).canvas.draw()
