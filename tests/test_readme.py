"""The READMEs, in both languages, show what was measured, and name every flag."""

from __future__ import annotations

from pathlib import Path

import pytest

import vaelib
from vaelib import config

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_readme_shows_the_table_that_make_bench_wrote(readme: str) -> None:
    table = (ROOT / "tests/benchmarks/results.md").read_text(encoding="utf-8")
    shown = (
        (ROOT / readme)
        .read_text(encoding="utf-8")
        .partition("<!-- bench -->\n")[2]
        .partition("<!-- /bench -->")[0]
    )
    assert shown == table
    assert table.count("|") > 50


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_readme_names_every_flag_and_the_defaults_of_the_recipe(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    for name in config.field_types():
        assert f"`--{name.replace('_', '-')}`" in text, name
    default = config.TrainConfig()
    for name in ("epochs", "batch_size", "lr", "latent_dim", "seed"):
        assert f"`--{name.replace('_', '-')}` {getattr(default, name)}" in text, name


@pytest.mark.parametrize("page", ["book/intro.md", "book/ja/index.md"])
def test_landing_page_cites_the_version_that_this_is(page: str) -> None:
    assert f"Version {vaelib.__version__}." in (ROOT / page).read_text(encoding="utf-8")
    assert f"version: {vaelib.__version__}\n" in (ROOT / "CITATION.cff").read_text(
        encoding="utf-8"
    )
