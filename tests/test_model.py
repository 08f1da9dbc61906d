"""The networks: shapes, reparameterization, kinds of output, initialisation."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from vaelib.model import VAE, WITH_VARIANCE, initialise

OUTPUTS = ("sigmoid", "identity", "gaussian", "logistic")
DEPTHS = ((), (9,), (9, 7, 5))
SHAPES = ((1, 4, 5), (3, 4, 5))  # grey, RGB
PARTS = ("encoder", "fc_mu", "fc_logvar", "decoder", "fc_out")


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Return standard normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def new(*args, seed: int = 0, **kwargs) -> VAE:
    """Return a model whose weights depend on `seed` only."""
    model = VAE(*args, **kwargs)
    initialise(model, torch.Generator().manual_seed(seed))
    return model


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("hidden", DEPTHS)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(
    shape: tuple[int, ...], hidden: tuple[int, ...], output: str, activation: str
):
    model, d = new(shape, hidden, 3, activation, output), math.prod(shape)
    x, z = noise(6, d).sigmoid(), noise(2, 6, 3)
    kinds = (2,) if output in WITH_VARIANCE else ()
    x_hat, mu, logvar = model(x, z[0])
    assert x_hat.shape == (*kinds, 6, d)
    assert mu.shape == logvar.shape == (6, 3)
    assert model.decode(z).shape == (*kinds, 2, 6, d)
    assert model.images(z[0]).shape == (6, *shape)


@pytest.mark.parametrize("output", OUTPUTS)
def test_decode_treats_each_draw_alike(output: str):
    model, z = new((1, 3, 3), (8,), 2, output=output), noise(4, 5, 2)
    each = torch.stack([model.decode(draw) for draw in z], dim=-3)
    torch.testing.assert_close(model.decode(z), each)


@pytest.mark.parametrize(
    ("activation", "f"), [("relu", lambda h: h.clamp_min(0)), ("tanh", torch.tanh)]
)
def test_forward_is_what_the_appendix_writes(activation: str, f):
    model = new((1, 3, 3), (8, 6), 2, activation)
    x, eps = noise(5, 9).sigmoid(), noise(5, 2, seed=1)
    w = [p.detach() for p in model.parameters()]
    h = f(f(x @ w[0].T + w[1]) @ w[2].T + w[3])
    mu, logvar = h @ w[4].T + w[5], h @ w[6].T + w[7]
    z = mu + logvar.exp().sqrt() * eps
    y = f(f(z @ w[8].T + w[9]) @ w[10].T + w[11]) @ w[12].T + w[13]
    x_hat = 1 / (1 + (-y).exp())
    for found, expected in zip(model(x, eps), (x_hat, mu, logvar), strict=True):
        torch.testing.assert_close(found, expected)


def test_no_hidden_layers_is_linear():
    model, z = new((1, 3, 3), (), 2, output="identity"), noise(5, 2)
    at_zero = model.decode(torch.zeros(5, 2))
    change = model.decode(z) - at_zero
    torch.testing.assert_close(model.decode(3 * z) - at_zero, 3 * change)
    assert not list(model.encoder) + list(model.decoder)


def test_reparameterize_is_mu_plus_sigma_eps():
    mu, eps = torch.tensor([1.0, -2.0]), torch.tensor([[0.5, 2.0], [0.0, -1.0]])
    z = VAE.reparameterize(mu, torch.tensor([math.log(4.0), math.log(0.25)]), eps)
    torch.testing.assert_close(z, torch.tensor([[2.0, -1.0], [1.0, -2.5]]))


@pytest.mark.parametrize(("mu", "sigma"), [(0.0, 1.0), (3.0, 0.2), (-1.0, 5.0)])
def test_reparameterized_draws_follow_q(mu: float, sigma: float):
    logvar = torch.tensor(2 * math.log(sigma))
    z = VAE.reparameterize(torch.tensor(mu), logvar, noise(20_000)).double()
    assert stats.kstest(z.numpy(), stats.norm(mu, sigma).cdf).pvalue > 0.001
    assert z.mean().item() == pytest.approx(mu, abs=4.5 * sigma / len(z) ** 0.5)
    assert z.var().item() == pytest.approx(sigma**2, rel=4.5 * (2 / len(z)) ** 0.5)


def test_gradients_flow_through_mu_and_logvar():
    mu, logvar = (noise(4, seed=seed).requires_grad_() for seed in (0, 1))
    eps = noise(4, seed=2)
    VAE.reparameterize(mu, logvar, eps).sum().backward()
    torch.testing.assert_close(mu.grad, torch.ones(4))
    torch.testing.assert_close(logvar.grad, 0.5 * eps * logvar.detach().exp().sqrt())


@pytest.mark.parametrize("min_sigma", [0.01, 0.05, 0.5])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1000.0])
def test_gaussian_output_stays_above_min_sigma(min_sigma: float, scale: float):
    model = new((1, 3, 3), (), 2, output="gaussian", min_sigma=min_sigma)
    mean, logvar = model.decode(scale * noise(200, 2))
    assert ((logvar / 2).exp() >= min_sigma * (1 - 1e-5)).all()
    assert ((mean >= 0) & (mean <= 1)).all()


def test_gaussian_output_can_reach_min_sigma():
    model = new((1, 3, 3), (), 2, output="gaussian", min_sigma=0.05)
    model.fc_out.bias.data[9:] = -100
    sigma = (model.decode(noise(20, 2))[1] / 2).exp()
    torch.testing.assert_close(sigma, torch.full_like(sigma, 0.05))


def test_gaussian_output_is_unchanged_far_above_min_sigma():
    model, z = new((1, 3, 3), (), 2, output="gaussian", min_sigma=1e-6), noise(20, 2)
    raw = z @ model.fc_out.weight[9:].T + model.fc_out.bias[9:]
    torch.testing.assert_close(model.decode(z)[1], raw)


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_images_are_pictures(shape: tuple[int, ...], output: str):
    model = new(shape, (9,), 2, output=output)
    z = 100 * noise(30, 2)
    images, x_hat = model.images(z), model.decode(z)

    def cut_mean() -> Tensor:
        """Return the means of many values at equal ranks, cut to [0, 1]."""
        ranks = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
        scale = (x_hat[1].double() / 2).exp() * 3**0.5 / math.pi
        values = x_hat[0, ..., None] + scale[..., None] * ranks.logit()
        return values.clamp(0, 1).mean(-1).float()

    mean = {
        "sigmoid": lambda: x_hat,
        "identity": lambda: 1 / (1 + (-x_hat).exp()),
        "gaussian": lambda: x_hat[0],
        "logistic": cut_mean,
    }[output]()
    assert ((images >= 0) & (images <= 1)).all()
    atol = 2e-3 if output == "logistic" else 1e-5  # of a sum
    torch.testing.assert_close(images, mean.reshape(30, *shape), atol=atol, rtol=1e-5)


def built_by_constructors(
    seed: int, d: int, hidden: tuple[int, ...], j: int, out: int
) -> list[Tensor]:
    """Return PyTorch's own parameters: a seed, then one nn.Linear at a time."""
    up, down = [d, *hidden], [j, *reversed(hidden)]
    top = up[-1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [nn.Linear(i, o) for i, o in pairwise(up)]
        layers += [nn.Linear(top, j), nn.Linear(top, j)]
        layers += [nn.Linear(i, o) for i, o in pairwise(down)]
        layers.append(nn.Linear(down[-1], out))
    return [p for layer in layers for p in (layer.weight, layer.bias)]


@pytest.mark.parametrize("seed", [0, 42])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("hidden", [*DEPTHS, (400,)])
def test_initialise_is_pytorch_bit_for_bit(
    hidden: tuple[int, ...], output: str, seed: int
):
    model = new((1, 4, 5), hidden, 3, output=output, seed=seed)
    n_out = 40 if output in WITH_VARIANCE else 20
    expected = built_by_constructors(seed, 20, hidden, 3, n_out)
    found = [p for part in PARTS for p in model.get_submodule(part).parameters()]
    assert len(found) == len(expected) == len(list(model.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_initialise_does_not_use_the_global_generator():
    model, before = VAE((1, 4, 5)), torch.get_rng_state()
    initialise(model, torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)


def test_default_model_is_784_400_20_400_784():
    encoder, heads = 784 * 400 + 400, 2 * (400 * 20 + 20)
    decoder = (20 * 400 + 400) + (400 * 784 + 784)
    size = sum(p.numel() for p in VAE().parameters())
    assert size == encoder + heads + decoder == 652_824
