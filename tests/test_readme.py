"""READMEs and pages show the measured speed, the flags and the version."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import vaelib
from vaelib import config
from vaelib.cli import main

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))

import bench  # noqa: E402

RESULTS = (ROOT / "tests/benchmarks/results.md").read_text(encoding="utf-8")


def table_of(page: str) -> str:
    """Return the text between the marks of a page that `make bench` writes."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return text.partition("<!-- bench -->\n")[2].partition("<!-- /bench -->")[0]


def test_speed_page_shows_the_whole_table() -> None:
    assert table_of("book/speed.md") == RESULTS
    assert RESULTS.count("|") > 50


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_readme_shows_the_headlines_of_the_table(readme: str) -> None:
    header, line, *rows = table_of(readme).splitlines()
    assert [header, line] == RESULTS.splitlines()[:2]
    assert len(rows) == len(bench.HEADLINES) == 5
    assert set(rows) <= set(RESULTS.splitlines())
    shown = [row.split(" | ")[0].removeprefix("| ") for row in rows]
    assert shown == list(bench.HEADLINES)


def test_page_of_commands_names_every_flag_and_the_defaults_of_the_recipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (ROOT / "book/commands.md").read_text(encoding="utf-8")
    assert "```{usage} train\n```" in page  # shows the following text
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    usage = capsys.readouterr().out
    helps = dict(re.findall(r"^  (--[\w-]+)(.*?)(?=^\S|^  -|\Z)", usage, re.M | re.S))

    for name in config.field_types():
        assert f"--{name.replace('_', '-')}" in helps, name
    default = config.TrainConfig()
    for name in ("epochs", "batch_size", "lr", "latent_dim", "seed"):
        text = " ".join(helps[f"--{name.replace('_', '-')}"].split())
        assert f"(default: {getattr(default, name)})" in text, name


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_first_screen_of_the_readme_has_a_sentence_a_picture_and_two_commands(
    readme: str,
) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    sentence, picture, commands = text.split("\n\n")[2:5]
    assert re.fullmatch(r"\*\*.{100,400}\*\*", sentence, re.S)
    found = re.fullmatch(r"!\[.{20,}\]\((.+)\)", picture)
    assert found
    assert 5_000 < (ROOT / found[1]).stat().st_size < 100_000
    lines = commands.splitlines()
    assert [line.split()[:2] for line in lines[1:-1]] == [
        ["make", "lab"],
        ["make", "test"],
    ]
    assert len(text.splitlines()) <= 140


@pytest.mark.parametrize("page", [*ROOT.glob("*.md")], ids=lambda page: page.name)
def test_local_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_readme_links_to_the_page_of_commands(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    assert "(book/commands.md)" in text


@pytest.mark.parametrize("page", ["book/intro.md", "book/ja/index.md"])
def test_landing_page_cites_the_version_of_the_package(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"Version {vaelib.__version__}." in text
    assert f"version: {vaelib.__version__}\n" in citation
