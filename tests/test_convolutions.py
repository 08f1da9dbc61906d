"""ConvVAE: its layers, and that it can stand wherever VAE can."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from vaelib import (
    ConvVAE,
    EpochEnd,
    ImageData,
    TrainConfig,
    Update,
    load,
    load_dataset,
    start,
    updates,
)
from vaelib.checks import ConfigError
from vaelib.combinations import conv_shapes
from vaelib.evaluation import LAYER_BYTES, at_once, average_terms
from vaelib.losses import LOSSES, reconstruction
from vaelib.memory import count_weights
from vaelib.model import WITH_VARIANCE, initialise, single
from vaelib.state import build
from vaelib.sweeps import compare, grid
from vaelib.train import train
from vaelib.widgets import LatentExplorer, Playground

if TYPE_CHECKING:
    from conftest import Cli

SHAPES = [(1, 28, 28), (3, 28, 28), (1, 32, 32), (3, 32, 32), (1, 64, 64), (3, 64, 64)]
ODD = [(1, 28, 20), (3, 7, 9), (1, 5, 13)]
SMALL: dict[str, Any] = dict(
    dataset="sprites",
    channels=3,
    image_size=12,
    model="conv",
    conv_channels=(4, 6),
    hidden_dim=(16,),
    latent_dim=3,
    batch_size=500,
    train_images=2000,
    device="cpu",
)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Return standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def new(*args: Any, seed: int = 0, **kwargs: Any) -> ConvVAE:
    """Return a model whose weights depend on `seed` only."""
    model = ConvVAE(*args, **kwargs)
    initialise(model, torch.Generator().manual_seed(seed))
    return model


def small(**given: Any) -> TrainConfig:
    """Return settings of a small run."""
    return TrainConfig(**SMALL | given)


# The network


@pytest.mark.parametrize("output", ["sigmoid", "identity", "gaussian", "logistic"])
@pytest.mark.parametrize("hidden", [(), (9,), (9, 7)])
@pytest.mark.parametrize("shape", SHAPES + ODD)
def test_shapes(shape: tuple[int, ...], hidden: tuple[int, ...], output: str):
    model, d = new(shape, (3, 4), hidden, 2, output=output), math.prod(shape)
    kinds = (2,) if output in WITH_VARIANCE else ()
    x_hat, mu, logvar = model(noise(6, d).sigmoid(), noise(6, 2))
    assert x_hat.shape == (*kinds, 6, d)
    assert mu.shape == logvar.shape == (6, 2)
    assert model.images(noise(6, 2)).shape == (6, *shape)
    assert model.shape == shape


@pytest.mark.parametrize("output", ["sigmoid", "identity", "gaussian", "logistic"])
def test_decode_treats_each_draw_alike(output: str):
    model, z = new((3, 8, 8), (3, 4), (8,), 2, output=output), noise(4, 5, 2)
    each = torch.stack([model.decode(draw) for draw in z], dim=-3)
    assert_close(model.decode(z), each)
    assert_close(model.decode(z[0, 0]), model.decode(z)[..., 0, 0, :])


@pytest.mark.parametrize(("activation", "f"), [("relu", F.relu), ("tanh", torch.tanh)])
def test_forward_is_convolutions_and_the_mlp_between_them(activation: str, f: Any):
    model = new((3, 9, 8), (4, 6), (7,), 2, activation, output="gaussian")
    x, eps = noise(5, 3 * 9 * 8).sigmoid(), noise(5, 2, seed=1)
    w = [p.detach() for p in model.parameters()]
    h = f(F.conv2d(x.view(5, 3, 9, 8), w[0], w[1], stride=2, padding=1))
    h = f(F.conv2d(h, w[2], w[3], stride=2, padding=1)).flatten(1)
    h = f(h @ w[4].T + w[5])
    mu, logvar = h @ w[6].T + w[7], h @ w[8].T + w[9]
    z = mu + logvar.exp().sqrt() * eps
    h = f(f(z @ w[10].T + w[11]) @ w[12].T + w[13]).view(5, 6, 2, 2)
    h = f(F.conv_transpose2d(h, w[14], w[15], stride=2, padding=1))
    y = F.conv_transpose2d(h, w[16], w[17], stride=2, padding=1, output_padding=(1, 0))
    mean, spread = y[:, :3].flatten(1).sigmoid(), y[:, 3:].flatten(1)
    spread = torch.logaddexp(spread, torch.tensor(2 * math.log(model.min_sigma)))
    expected = torch.stack((mean, spread)), mu, logvar
    for found, each in zip(model(x, eps), expected, strict=True):
        assert_close(found, each)


def test_a_convolution_is_a_linear_map_of_patches_of_4_x_4():
    """Each number of the output sees a patch, and all patches have the same weights."""
    model = new((1, 8, 8), (1,), (), 2, "tanh")
    first: Any = model.encoder[0]
    convolution = first[0]
    x = noise(1, 1, 8, 8)
    padded = F.pad(x, (1, 1, 1, 1))[0, 0]
    weight, bias = convolution.weight[0, 0], convolution.bias
    for i, j in itertools.product(range(4), range(4)):
        patch = padded[2 * i : 2 * i + 4, 2 * j : 2 * j + 4]
        assert_close(convolution(x)[0, 0, i, j], (patch * weight).sum() + bias[0])


@pytest.mark.parametrize("output", ["identity", "gaussian"])
def test_initialise_is_pytorch_bit_for_bit(output: str):
    model = new((3, 9, 8), (4, 6), (7,), 2, output=output, seed=5)
    out = 6 if output == "gaussian" else 3
    with torch.random.fork_rng():
        torch.manual_seed(5)
        layers = [
            nn.Conv2d(3, 4, 4),
            nn.Conv2d(4, 6, 4),
            nn.Linear(6 * 2 * 2, 7),
            nn.Linear(7, 2),
            nn.Linear(7, 2),
            nn.Linear(2, 7),
            nn.Linear(7, 6 * 2 * 2),
            nn.ConvTranspose2d(6, 4, 4),
            nn.ConvTranspose2d(4, out, 4),
        ]
    expected = [weight for layer in layers for weight in layer.parameters()]
    pairs = zip(model.parameters(), expected, strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 7, 9)])
@pytest.mark.parametrize("hidden", [(), (40,)])
def test_weights_are_counted_before_they_are_made(
    loss: Any, shape: tuple[int, ...], hidden: tuple[int, ...]
):
    config = TrainConfig("tensors", model="conv", loss=loss, hidden_dim=hidden)
    expected = sum(weight.numel() for weight in build(config, shape).parameters())
    assert count_weights(config, shape) == expected


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 28, 4), (1, 5, 7)])
def test_sides_that_cannot_be_halved_are_refused(shape: tuple[int, ...]):
    assert len(conv_shapes(shape, (8, 8))) == 3
    for channels in ((), (8, 8, 8)):
        with pytest.raises(ConfigError, match="give 1 to 2 numbers") as error:
            ConvVAE(shape, channels)
        assert str(channels) in str(error.value)
        config = TrainConfig("tensors", model="conv", conv_channels=channels)
        with pytest.raises(ConfigError, match="give 1 to 2 numbers"):
            build(config, shape)


def test_settings_are_refused_where_the_shape_is_known():
    with pytest.raises(ConfigError, match=r"give 1 to 3 numbers.* 12 x 12 pixels"):
        small(conv_channels=(4, 4, 4, 4))
    assert small(model="mlp", conv_channels=(4, 4, 4, 4)).model == "mlp"


def test_what_is_computed_at_once_follows_from_the_widest_image():
    model = ConvVAE((3, 64, 64), (48, 8), (10,), 2)
    assert at_once(model, 10**6) == LAYER_BYTES // (4 * 48 * 32 * 32)
    assert at_once(model, 7) == 7


def test_a_model_of_double_precision_is_drawn_in_single_precision():
    model = new((1, 8, 8), (3,), (), 2)
    z = noise(3, 2)
    assert_close(single(model.double()).images(z), model.images(z).float())


# Everywhere that VAE is


@pytest.mark.parametrize("loss", LOSSES)
def test_it_learns(loss: str):
    config = small(loss=loss, epochs=3)
    data = load_dataset(*config.data_source)
    state = start(config, data)
    assert isinstance(state.model, ConvVAE)
    ends = [e for e in updates(state, data, config) if isinstance(e, EpochEnd)]
    assert ends[-1].row["neg_elbo"] < ends[0].row["neg_elbo"]
    nats = reconstruction(loss, config.sigma)
    rng = torch.Generator().manual_seed(0)
    recon, kl = average_terms(state.model, nats, data.test, rng)
    assert (recon + kl.sum()).item() == pytest.approx(
        ends[-1].row["neg_elbo"], rel=0.05
    )


def test_training_starts_at_the_mean_colour():
    config = small(loss="logistic", init="normal")
    data = load_dataset(*config.data_source)
    model = start(config, data).model
    *_, bias = model.fc_out.parameters()
    means = (data.train.float() / 255).mean(0).clamp(1e-3, 1 - 1e-3)
    expected = means.mean((1, 2))
    assert bias.shape == (6,)
    assert_close(bias[:3].sigmoid(), expected)


@pytest.mark.parametrize(
    "given",
    [
        dict(objective="iwae", samples=3, estimator="dreg"),
        dict(free_bits=0.5),
        dict(capacity=3.0),
        dict(encoder_updates=2),
        dict(method="wake_sleep"),
        dict(method="mcem", train_images=1000),
        dict(optimizer="adagrad", weight_prior="normal"),
        dict(reduction="mean", gradient="sum"),
    ],
    ids=str,
)
def test_every_way_of_training_has_it(given: dict[str, Any]):
    config = small(**given)
    data = load_dataset(*config.data_source)
    state = start(config, data)
    before = {name: w.clone() for name, w in state.model.named_parameters()}
    event = next(updates(state, data, config))
    assert isinstance(event, Update)
    assert event.sums.isfinite().all()
    for name, weight in state.model.named_parameters():
        assert not torch.equal(weight, before[name]), name


def test_a_run_is_stopped_resumed_and_read(tmp_path: Path, cli: Cli):
    flags = [f"--{name.replace('_', '-')}" for name in SMALL]
    values = ["4,6" if name == "conv_channels" else v for name, v in SMALL.items()]
    values = [16 if value == (16,) else value for value in values]
    given = [
        *itertools.chain(*zip(flags, values, strict=True)),
        "--lr-schedule",
        "none",
    ]
    for name, epochs in (("whole", 2), ("part", 1)):
        run = tmp_path / name
        flags = ["--save-dir", run, "--epochs", epochs, "--loss", "logistic"]
        assert cli("train", *given, *flags).code == 0
    assert cli("train", "--resume", tmp_path / "part", "--epochs", 2).code == 0
    models = [load(tmp_path / name)[0] for name in ("whole", "part")]
    assert all(isinstance(model, ConvVAE) for model in models)
    weights = zip(*(model.state_dict().values() for model in models), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)

    assert "bits per dimension" in cli("evaluate", run, "--samples", 2).out
    picture = tmp_path / "picture.png"
    assert cli("traverse", run, "--output", picture).code == 0
    assert picture.exists()


def test_it_is_swept_and_compared_with_the_mlp(tmp_path: Path):
    given = SMALL | dict(epochs=1, loss="logistic", project_dir=str(tmp_path))
    configs = grid(**given | dict(model=["mlp", "conv"], conv_channels=[(4, 6), (8,)]))
    assert len(configs) == 4
    for config in configs:
        train(config, quiet=True)
    found = compare.results(tmp_path / "sprites-grid")
    assert len(found) == 4
    assert len({result.kind for result in found}) == 1
    text = compare.table(found)
    assert "model=conv-conv_channels=4x6" in text
    written = compare.write(found, tmp_path / "comparison")
    assert written


def test_the_explorer_takes_it_and_the_playground_says_that_it_does_not():
    images = torch.randint(0, 256, (40, 3, 20, 12), dtype=torch.uint8)
    data = ImageData(images[:30], images[30:])
    explorer = LatentExplorer(new((3, 20, 12), (3, 4), (9,), 5), data)
    assert explorer.network["convolutions"] == [(3, 20, 12), (3, 10, 6), (4, 5, 3)]
    assert len(explorer.codes["kl"]) == 5
    assert explorer.figure.axes
    with pytest.raises(ConfigError, match=r"model is 'conv'.* mlp"):
        Playground(small())


def test_own_images_train_it():
    images = torch.randint(0, 256, (40, 3, 20, 12), dtype=torch.uint8)
    data = ImageData(images[:30], images[30:])
    config = TrainConfig("tensors", model="conv", batch_size=10, epochs=1)
    events = list(updates(start(config, data), data, config))
    assert isinstance(events[-1], EpochEnd)
