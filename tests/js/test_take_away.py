"""engine/take_away.js: what a page hands over is read, and repeats its run."""

from __future__ import annotations

import base64
import json
import random
import shlex
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from page_data import IMAGES, for_page, random_images, settings_of

from vaelib import VAE, EpochEnd, TrainConfig, load, start, updates
from vaelib.checkpoints import RunError
from vaelib.config import field_of, field_types
from vaelib.flags import Parser, add_arguments
from vaelib.runfiles import COLUMNS, Run

Engine = Callable[..., Any]
CONFIG = TrainConfig(
    "sprites", image_size=6, hidden_dim=(12, 7), latent_dim=3, batch_size=10, epochs=2
)
SAVED = f"""
    {IMAGES}
    const {{ settings, defaults, data }} = given;
    const session = new engine.Session(settings, imagesOf(data), "some images");
    for (let i = 0; i < 8; i++) session.advance();
    session.changeBeta(0.25);
    while (!session.finished) session.advance();
    const file = Buffer.from(engine.safetensors(session)).toString("base64");
    const log = engine.logCsv(session);
    return {{ file, log, command: engine.command(session.settings, defaults) }};
"""
DEFAULTS = settings_of(TrainConfig())
# Settings that a page does not have, and the shape, which is set with a folder.
NOT_HERE = ("model", "conv_channels", "method", "objective", "samples", "estimator")
NOT_HERE += ("capacity",)  # goes with few others
FIXED = (*NOT_HERE, "channels", "image_size")
TEXTS = {
    "dataset": ["fashion_mnist", "folder:my pictures/été", "folder:a;b $HOME `x`"],
    "beta_changes": ["300:4.0,600:1e-05", "1:0"],
    "data_dir": ["it's here", '"', "-x", "\\"],
    "project_dir": ["", "*", "-", "-a;b", "a\nb"],
    "group": ["+a", "=b", "w-1"],
    "name": ["-x", "--epochs"],
    "save_dir": ["--name=x", "'"],
}


def random_value(name: str, draw: random.Random) -> Any:
    """Return an allowed value of a setting."""
    hint, limits = field_types()[name], field_of(name).metadata
    if get_origin(hint) is Literal:
        return draw.choice(get_args(hint))
    if hint is bool:
        return draw.random() < 0.5
    if hint is str:
        return draw.choice(TEXTS[name])
    if hint is int:
        return draw.choice([limits["least"], int(limits["most"]), 7])
    if hint is float:
        least = max(limits["least"], limits["above"] or 0, 1e-12)
        numbers = (1.0, 1e-05, 123456.789, least, limits["most"], draw.random())
        return draw.choice([n for n in numbers if least <= n <= limits["most"]])
    return draw.choice([(), (5,), (400, 200, 10_000)])


def random_config(draw: random.Random) -> TrainConfig:
    """Return settings of the page's method, with about a third of them changed."""
    names = [n for n in field_types() if n not in FIXED and draw.random() < 0.35]
    config = TrainConfig(**{name: random_value(name, draw) for name in names})
    return replace(config, channels=3, image_size=9) if config.is_folder else config


def parsed(command: str) -> TrainConfig:
    """Return the settings of a command line."""
    program, part, *flags = shlex.split(command)
    assert (program, part) == ("vaelib", "train")
    parser = Parser(allow_abbrev=False)
    add_arguments(parser)
    given = vars(parser.parse_args(flags))
    return TrainConfig(**{n: v for n, v in given.items() if n in field_types()})


@pytest.fixture
def configs() -> list[TrainConfig]:
    """Return 100 settings, all of which are changed in some."""
    draw = random.Random(0)
    some = [TrainConfig(), *(random_config(draw) for _ in range(99))]
    for name in field_types():
        different = {getattr(config, name) for config in some}
        assert len(different) > 1 or name in NOT_HERE, name
    return some


def test_the_command_gives_the_settings(engine: Engine, configs: list[TrainConfig]):
    code = "return given.all.map((each) => engine.command(each, given.defaults));"
    given = dict(all=list(map(settings_of, configs)), defaults=DEFAULTS)
    commands = engine(code, "take_away", **given)
    assert commands[0] == "vaelib train"
    for command, config in zip(commands, configs, strict=True):
        assert parsed(command) == config
        flags = [word for word in shlex.split(command) if word.startswith("--")]
        assert len(flags) == changes(config)


def changes(config: TrainConfig) -> int:
    """Return how many settings are not the defaults."""
    defaults = asdict(TrainConfig())
    return sum(value != defaults[name] for name, value in asdict(config).items())


def test_the_lines_of_python_give_the_settings(
    engine: Engine, configs: list[TrainConfig], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("vaelib.train.train", lambda config: config)
    code = "return given.all.map((each) => engine.python(each, given.defaults));"
    given = dict(all=list(map(settings_of, configs)), defaults=DEFAULTS)
    texts = engine(code, "take_away", **given)
    for text, config in zip(texts, configs, strict=True):
        names: dict[str, Any] = {}
        exec(text, names)
        assert names["run"] == config
        lines = [line for line in text.splitlines() if line.startswith("    ")]
        assert len(lines) == changes(config)


@pytest.mark.parametrize("loss", ["bce_logits", "gaussian"])
def test_a_run_of_the_page_is_loaded_and_repeated(
    engine: Engine, tmp_path: Path, loss: Any
):
    config = replace(CONFIG, loss=loss, activation="tanh", seed=2**63 - 1)
    data = random_images()
    given = dict(settings=settings_of(config), data=for_page(data), defaults=DEFAULTS)
    found = engine(SAVED, "session", "take_away", **given)
    file = tmp_path / "page.safetensors"
    file.write_bytes(base64.b64decode(found["file"]))
    model, settings = load(file)
    assert settings == replace(config, beta_changes="8:0.25")
    assert parsed(found["command"]) == settings

    state = start(settings, data)
    events = updates(state, data, settings)
    ends = [event for event in events if isinstance(event, EpochEnd)]
    pairs = zip(model.parameters(), state.model.parameters(), strict=True)
    for mine, its in pairs:
        torch.testing.assert_close(mine, its, rtol=1e-3, atol=1e-4)
    head, *lines = found["log"].splitlines()
    assert head == ",".join(COLUMNS)
    for line, end in zip(lines, ends, strict=True):
        numbers = dict(zip(COLUMNS, map(float, line.split(",")), strict=True))
        assert 0 < numbers.pop("seconds") < 60
        row = {name: end.row[name] for name in numbers}
        assert numbers == pytest.approx(row, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("hidden", [(12, 7), (12, 700)])
def test_the_file_is_of_the_format(
    engine: Engine, tmp_path: Path, hidden: tuple[int, ...]
):
    """What the format requires, and the weights by another way than `load`."""
    data, config = random_images((3, 5, 4)), replace(CONFIG, hidden_dim=hidden)
    given = dict(settings=settings_of(config), data=for_page(data), defaults=DEFAULTS)
    raw = base64.b64decode(engine(SAVED, "session", "take_away", **given)["file"])
    size = int.from_bytes(raw[:8], "little")
    assert size % 8 == 0
    assert raw[8:9] == b"{"
    parts = json.loads(raw[8 : 8 + size])
    about = parts.pop("__metadata__")
    assert all(isinstance(text, str) for text in about.values())
    assert json.loads(about["shape"]) == [3, 5, 4]

    body, last, weights = raw[8 + size :], 0, {}
    for name, part in parts.items():
        first, end = part["data_offsets"]
        assert (part["dtype"], first) == ("F32", last)  # no holes
        floats = torch.frombuffer(bytearray(body), dtype=torch.float32)[first // 4 :]
        weights[name] = floats[: (end - first) // 4].reshape(part["shape"])
        last = end
    assert last == len(body)
    model = VAE((3, 5, 4), hidden, latent_dim=3, output="identity")
    assert list(parts) == list(model.state_dict())
    model.load_state_dict(weights)
    file = tmp_path / "page.safetensors"
    file.write_bytes(raw)
    loaded = load(file)[0].state_dict()
    assert all(torch.equal(loaded[name], weight) for name, weight in weights.items())

    for damaged in (b"", raw[:6], raw[:100], raw[:-4], raw.replace(b"F32", b"F64", 1)):
        file.write_bytes(damaged)
        with pytest.raises(RunError, match="is damaged, or was not written by"):
            load(file)
    file.write_bytes(raw.replace(b"fc_mu.bias", b"fc_mu.bais"))
    with pytest.raises(RunError, match="is damaged, or was not written by"):
        load(file)


def test_the_log_is_that_of_a_run(engine: Engine, tmp_path: Path):
    draw = random.Random(0)
    names = ("beta", "recon", "kl", "train_recon", "train_kl", "seconds")
    values = [{name: draw.uniform(-1, 300) for name in names} for _ in range(50)]
    values[0] |= dict(beta=1.0, kl=1e-7, recon=0.1 + 0.2, seconds=123456789.0)
    none = torch.zeros(0)
    ends = [
        EpochEnd(epoch=i, step=i, kl_per_latent=none, noise=none, more={}, **each)
        for i, each in enumerate(values)
    ]
    run = Run(tmp_path, CONFIG, rows=[end.row for end in ends])
    run.write_log(random_images())
    given = [dict(epoch=i, **each) for i, each in enumerate(values)]
    code = "return engine.logCsv({ ends: given.ends });"
    text = engine(code, "take_away", ends=given)
    assert text == (tmp_path / "curves/train_log.csv").read_text()
    assert engine(code, "take_away", ends=[]) == ",".join(COLUMNS) + "\n"
