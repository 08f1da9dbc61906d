"""engine/vae.js and losses.js: the same terms and gradients as torch."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from arrays import PRELUDE, decode, distance, encode, importing
from torch import Tensor

from vaelib.config import TrainConfig, from_dict
from vaelib.evaluation import average_terms
from vaelib.losses import LEAST_SIGMA, LOSSES, kl_divergence, reconstruction
from vaelib.model import VAE, WITH_VARIANCE, standard_normal
from vaelib.state import build

SIZES = dict(latent_dim=3, sigma=0.4, min_sigma=0.3)
DEPTHS = [(), (10,), (13, 9), (15, 13, 9)]
SHAPE = (1, 9, 7)  # no size is a multiple of 4
BETA = 2.5
TRAINABLE = (
    importing("TrainableVae", "vae")
    + PRELUDE
    + """
    const results = input.cases.map(({ settings, most, parameters, batches, z }) => {
        const vae = new TrainableVae(settings, input.pixels, most, input.wasm);
        if (vae.arena.kernels === null && input.wasm) throw Error("no WebAssembly");
        if (String(Object.keys(vae.parameters)) !== String(Object.keys(parameters)))
            throw Error(`other parameters: ${Object.keys(vae.parameters)}`);
        for (const [name, { shape, data }] of Object.entries(vae.parameters)) {
            if (String(shape) !== String(parameters[name].shape)) throw Error(name);
            data.set(floats(parameters[name].data));
        }
        const terms = batches.map(({ x, eps, n }) => {
            const sums = vae.forward(floats(x), floats(eps), n);
            vae.backward(Array(vae.latents).fill(input.beta));
            return sums;
        });
        const gradients = Object.values(vae.parameters).map((p) => text(p.gradient));
        const x = batches.flatMap((batch) => [...floats(batch.x)]);
        const { mu, sigma } = vae.encode(Float32Array.from(x), x.length / input.pixels);
        const images = vae.decode(floats(z), floats(z).length / settings.latent_dim);
        return { terms, gradients, pictures: [mu, sigma, images].map(text) };
    });
    console.log(JSON.stringify(results));
"""
)


def case_of(
    config: TrainConfig, model: VAE, most: int, batches: Sequence[tuple], z: Tensor
) -> dict[str, Any]:
    """Return what JavaScript needs for one model."""
    names = ("hidden_dim", "latent_dim", "activation", "loss", "sigma", "min_sigma")
    settings = {name: getattr(config, name) for name in names}
    return dict(
        settings=dict(settings, reduction=config.reduction, gradient=config.gradient),
        most=most,
        parameters={
            name: dict(shape=list(weight.shape), data=encode(weight))
            for name, weight in model.named_parameters()
        },
        batches=[dict(x=encode(x), eps=encode(e), n=len(x)) for x, e in batches],
        z=encode(z),
    )


def model_of(config: TrainConfig, shape: tuple, rng: torch.Generator) -> VAE:
    """Return a model whose weights give activations of about unit size."""
    model = build(config, shape)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(generator=rng).mul_(weight.shape[-1] ** -0.5)
    return model


def sums_of(config: TrainConfig, model: VAE, x: Tensor, eps: Tensor) -> Tensor:
    """Return both terms, summed over the images, (2,)."""
    x_hat, mu, logvar = model(x, eps)
    recon = reconstruction(config.loss, config.sigma)(x_hat, x)
    return torch.stack((recon.sum(), kl_divergence(mu, logvar).sum()))


@pytest.mark.parametrize("wasm", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_terms_gradients_and_pictures_are_those_of_torch(
    node: Callable[..., str], loss: str, wasm: bool
):
    rng = torch.Generator().manual_seed(0)
    pixels = math.prod(SHAPE)
    ways = itertools.product(DEPTHS, ("relu", "tanh"), ("sum", "mean"))
    cases, expected = [], []
    for i, (hidden, activation, reduction) in enumerate(ways):
        config = from_dict(
            dict(
                SIZES,
                hidden_dim=hidden,
                activation=activation,
                loss=loss,
                reduction=reduction,
                gradient=("mean", "sum")[i // 2 % 2],
            )
        )
        model = model_of(config, SHAPE, rng)
        x = torch.rand(16, pixels, generator=rng) * 1.5 - 0.25
        x.clamp_(0, 1)
        eps = torch.randn(16, 3, generator=rng)
        # The second mini-batch is smaller, and leaves nothing of the first.
        batches = [(x, eps), (x[3:], eps[3:])]
        z = torch.randn(37, 3, generator=rng)
        cases.append(case_of(config, model, 16, batches, z))

        sums = [sums_of(config, model, *batch) for batch in batches]
        factor = 1 / pixels if reduction == "mean" else 1.0
        factor /= len(x) - 3 if config.gradient == "mean" else 1
        (factor * (sums[1][0] + BETA * sums[1][1])).backward()
        gradients = [weight.grad for weight in model.parameters()]
        mu, logvar = model.encode(torch.cat((x, x[3:])))
        arrays = [*gradients, mu, (logvar / 2).exp(), model.images(z)]
        expected.append((config, torch.stack(sums).tolist(), arrays))

    values = json.dumps(dict(cases=cases, pixels=pixels, beta=BETA, wasm=wasm))
    output = json.loads(node("--input-type=module", "--eval", TRAINABLE, text=values))
    for found, (config, sums, arrays) in zip(output, expected, strict=True):
        for terms, pair in zip(found["terms"], sums, strict=True):
            assert [terms["recon"], terms["kl"]] == pytest.approx(pair, rel=1e-5)
            assert sum(terms["klPerLatent"]) == pytest.approx(terms["kl"])
        raws = found["gradients"] + found["pictures"]
        for raw, array in zip(raws, arrays, strict=True):
            assert distance(decode(raw), array) < 1e-5, config  # of each array's norm


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_stable_for_large_outputs(node: Callable[..., str], loss: str):
    """Probabilities are 0 and 1, logarithms are clamped, variances at their floor."""
    outputs = [-200.0, -100, -88, -60, -20, -3, 0, 3, 12, 20, 60, 100, 200]
    pairs = list(itertools.product(outputs, (0.0, 0.3, 1.0)))
    # In doubles, unless rounding is a part of the loss.
    kind = torch.float32 if loss == "bce" else torch.float64
    a, x = torch.tensor(pairs, dtype=kind).T
    output = LOSSES[loss].output
    a = torch.cat((a, a.flip(0))) if output in WITH_VARIANCE else a
    a.requires_grad_()
    sigma = SIZES["sigma"]
    least = LEAST_SIGMA if loss == "logistic" else 0.3
    model = VAE((len(x),), (), len(a), output=output, min_sigma=least)
    model.fc_out = torch.nn.Identity()  # type: ignore[assignment]
    expected = reconstruction(loss, sigma)(model.decode(a), x)
    expected.backward()

    script = importing("RECONSTRUCTION", "losses") + PRELUDE
    script += """
        const [a, x] = [floats(input.a), floats(input.x)];
        const gradient = new Float32Array(a.length);
        const [images, stride, factor] = [1, 1, 1];
        const pixels = { pixels: x.length, images, stride, factor };
        const e = a.map((value) => Math.exp(-Math.abs(value)));
        const decoded = { a, e, x, gradient, ...pixels };
        const nats = RECONSTRUCTION[input.loss](decoded, input);
        console.log(JSON.stringify({ nats, gradient: text(gradient) }));
    """
    values = json.dumps(dict(SIZES, loss=loss, a=encode(a), x=encode(x)))
    found = json.loads(node("--input-type=module", "--eval", script, text=values))
    assert found["nats"] == pytest.approx(expected.item(), rel=1e-6)
    gradient = decode(found["gradient"])
    assert a.grad is not None
    torch.testing.assert_close(gradient, a.grad.float(), rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_unit_that_is_not_a_number_is_seen_in_the_loss(
    node: Callable[..., str], loss: str, value: str
):
    settings = dict(
        hidden_dim=[5],
        latent_dim=2,
        activation="relu",
        loss=loss,
        sigma=1,
        min_sigma=0.1,
        reduction="sum",
        gradient="sum",
    )
    script = importing("TrainableVae", "vae")
    script += f"""
        const vae = new TrainableVae({json.dumps(settings)}, 3, 4);
        const {{ parameters }} = vae;
        for (const name of ["fc_mu", "decoder.0", "fc_out"])
            parameters[`${{name}}.weight`].data.fill(1);
        parameters["encoder.0.bias"].data[2] = {value};
        const [x, eps] = [new Float32Array(12), new Float32Array(8)];
        const {{ recon, kl }} = vae.forward(x, eps, 4);
        console.log(Number.isFinite(recon), Number.isFinite(kl));
    """
    recon, kl = node("--input-type=module", "--eval", script).split()
    assert "false" in (recon, kl)


def test_test_figures_are_those_of_the_library(node: Callable[..., str]):
    """Of the default model with random weights, to 0.001 nats an image."""
    rng = torch.Generator().manual_seed(1)
    config = TrainConfig()
    model = model_of(config, (1, 28, 28), rng)
    images = torch.randint(0, 256, (300, 1, 28, 28), generator=rng, dtype=torch.uint8)
    noise = torch.Generator().manual_seed(2)
    nats = reconstruction(config.loss)
    recon, kl = average_terms(model, nats, images, noise, batch_size=128)

    noise.manual_seed(2)
    batches = [
        (chunk.flatten(1) / 255, standard_normal(len(chunk), 20, rng=noise))
        for chunk in images.split(128)
    ]
    cases = [case_of(config, model, 128, batches, torch.zeros(1, 20))]
    values = json.dumps(dict(cases=cases, pixels=784, beta=1.0, wasm=True))
    (found,) = json.loads(node("--input-type=module", "--eval", TRAINABLE, text=values))
    totals = [sum(sums["recon"] for sums in found["terms"]) / 300]
    for j in range(20):
        totals.append(sum(sums["klPerLatent"][j] for sums in found["terms"]) / 300)
    assert totals == pytest.approx([recon.item(), *kl.tolist()], abs=1e-3)
