"""What a caller has set for all of torch has no effect on vaelib.

These are the default number type, the default device, and whether gradients are on.
What vaelib sets for the whole process, a caller may decide otherwise.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vaelib import (
    EpochEnd,
    TrainConfig,
    bounds,
    evaluation,
    exact,
    gradients,
    losses,
    model,
    plotting,
    runs,
    start,
    updates,
)
from vaelib.data import sprites
from vaelib.images import ImageData, binarized, pixels
from vaelib.sweeps import compare
from vaelib.train import train
from vaelib.widgets import LatentExplorer
from vaelib.widgets.session import Session
from vaelib.widgets.weights import pack

CONFIG = TrainConfig(
    dataset="tensors",
    binarize="dynamic",
    hidden_dim=(8,),
    latent_dim=2,
    epochs=2,
    batch_size=16,
    lr_schedule="none",
    device="cpu",
)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Make another number type torch's default."""
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device(name: str) -> Iterator[None]:
    """Make another device torch's default."""
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


SURROUNDINGS = {
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "meta": lambda: default_device("meta"),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
}
EVERYWHERE = pytest.mark.parametrize("name", SURROUNDINGS)


def values(found: Any) -> Any:
    """Return tensors and arrays as lists, in whatever holds them."""
    if isinstance(found, torch.Tensor | np.ndarray):
        return str(found.dtype), found.tolist()
    if isinstance(found, dict):
        return {key: values(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [values(value) for value in found]
    return found


def draw() -> ImageData:
    """Return a few sprites in colour, drawn and binarized here."""
    return binarized(sprites(64, 24, channels=3, size=8), "dynamic")


def paper() -> list[Any]:
    """Return numbers of the modules on the paper's equations."""
    rng = torch.Generator().manual_seed(0)
    eps = model.standard_normal(5, 2, rng=rng)
    mu, logvar = eps[0], eps[1]

    def f(z: torch.Tensor) -> torch.Tensor:
        return z.square().sum(-1)

    scalar = exact.Scalar(torch.tanh, sigma=0.5)
    linear = exact.LinearGaussian(eps[:3].double(), eps[:3, 0].double(), 0.7)
    z, x = linear.sample(2, rng)
    double = mu.double(), logvar.double()
    return [
        plotting.manifold_grid(4),
        gradients.pathwise_gradients(f, mu, logvar, eps),
        gradients.score_gradients(f, mu, logvar, eps),
        bounds.log_normal(eps, mu, 0.5),
        scalar.log_evidence(0.3),
        scalar.bound(0.3, 0.1, -1.0),
        scalar.bound_from_prior(0.3, 0.1, -1.0),
        scalar.divergence(0.3, 0.1, -1.0),
        (z, x, linear.log_evidence(x), linear.posterior(x[0])),
        (linear.bound(x[0], *double), linear.divergence(x[0], *double)),
        exact.water_filling(linear.weight[:, 0].square(), 1.0, 0.5),
    ]


def training(fused: bool) -> list[Any]:
    """Return the numbers of a training, and of everything that looks at its model."""
    config, data = replace(CONFIG, fused=fused), draw()
    state = start(config, data)
    ends = [e for e in updates(state, data, config) if isinstance(e, EpochEnd)]
    vae, nats = state.model, losses.reconstruction(config.loss)
    rng = torch.Generator().manual_seed(1)
    mu = torch.cat([mu for mu, _ in evaluation.posteriors(vae, data.test)])
    figures = [
        plotting.manifold(vae, 4),
        plotting.traversals(vae, mu[0], ends[-1].kl_per_latent),
        plotting.samples(vae.images(ends[-1].noise)),
        plotting.reconstructions(pixels(data.test).view(-1, 3, 8, 8), vae.images(mu)),
    ]
    explorer = LatentExplorer(vae, data)
    session = Session(config, data, "sprites")
    for _ in range(5):
        session.advance()
    numbers = [
        data.train,
        data.factors,
        [{k: v for k, v in end.row.items() if k != "seconds"} for end in ends],
        vae.state_dict(),
        evaluation.average_terms(vae, nats, data.test, rng),
        evaluation.active_units(vae, data.test),
        list(evaluation.importance_nll(vae, nats, data.test, rng, 30)),
        [picture.get_array() for f in figures for picture in f.axes[0].images],
        (explorer.network, explorer.codes, explorer.test),
        (session.curve(), session.pictures(session.mean_kl())),
    ]
    return values(numbers)


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    """The same numbers without any such setting."""
    return dict(paper=values(paper()), fused=training(True), steps=training(False))


@EVERYWHERE
def test_numbers_do_not_depend_on_what_is_set_for_torch(
    name: str, plain: dict[str, Any]
):
    with SURROUNDINGS[name]():
        if name != "inference_mode":  # its tensors cannot be differentiated
            assert values(paper()) == plain["paper"]
        assert training(fused=True) == plain["fused"]


@pytest.mark.parametrize("name", ["float64", "meta", "inference_mode"])
def test_adam_without_the_fused_kernel_does_not_either(
    name: str, plain: dict[str, Any]
):
    with SURROUNDINGS[name]():
        assert training(fused=False) == plain["steps"]


def run_of(folder: Path) -> list[Any]:
    """Return what a run and a comparison of runs write: log, weights, pictures."""
    config = replace(CONFIG, project_dir=str(folder), group="g", binarize="none")
    data = sprites(64, 24, size=8)
    run = train(config, data, quiet=True)
    found = compare.results(folder / "g", data)
    [picture] = compare.contact_sheet(found).axes[0].images
    pictures = [path.read_bytes() for path in run.pictures(1).values()]
    log = [line.rsplit(",", 1)[0] for line in log_of(run.path)]  # without seconds
    return values(
        [log, pictures, runs.load(run.path)[0].state_dict(), picture.get_array()]
    )


def log_of(run: Path) -> list[str]:
    """Return the lines of the log of a run."""
    return (run / "curves" / "train_log.csv").read_text().splitlines()


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The same run without any such setting."""
    return run_of(tmp_path_factory.mktemp("plain"))


@EVERYWHERE
def test_a_run_and_its_comparison_do_not_either(
    name: str, tmp_path: Path, plain_run: list[Any]
):
    with SURROUNDINGS[name]():
        assert run_of(tmp_path) == plain_run


def test_the_defaults_may_be_set_before_vaelib_is_imported():
    code = (
        "from vaelib import TrainConfig, start, updates\n"
        "from vaelib.data import sprites\n"
        f"config, data = {CONFIG!r}, sprites(64, 24, size=8)\n"
        "*_, end = updates(start(config, data), data, config)\n"
    )
    here: dict[str, Any] = {}
    exec(code, here)
    set_before = (
        "import torch\n"
        "torch.set_default_dtype(torch.float64)\n"
        "torch.set_default_device('meta')\n"
    )
    show = "print(end.recon, end.kl, end.kl_per_latent.tolist())"
    command = [sys.executable, "-c", set_before + code + show]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    end = here["end"]
    assert done.stdout == f"{end.recon} {end.kl} {end.kl_per_latent.tolist()}\n"


def converted(vae: model.VAE, dtype: torch.dtype) -> model.VAE:
    """Return a copy of a model with weights of another type."""
    return deepcopy(vae).to(dtype)


@pytest.fixture(scope="module")
def vae() -> model.VAE:
    """A model whose weights are exact in 16 bits."""
    vae = model.VAE((3, 8, 8), (8,), 2)
    return vae.to(torch.bfloat16).to(torch.float32)


OTHER_TYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])


@OTHER_TYPES
@pytest.mark.parametrize("bits", [8, 32])
def test_the_explorer_of_a_model_of_another_type_shows_the_same(
    vae: model.VAE, dtype: torch.dtype, bits: int
):
    data, other = draw(), converted(vae, dtype)
    assert pack(other, bits) == pack(vae, bits)
    a, b = LatentExplorer(vae, data, bits), LatentExplorer(other, data, bits)
    assert (a.network, a.codes, a.test) == (b.network, b.codes, b.test)
    assert next(other.parameters()).dtype == dtype  # it was not changed


@OTHER_TYPES
@pytest.mark.parametrize(
    "measure",
    [
        lambda m, x, rng: evaluation.average_terms(m, losses.bce, x, rng),
        lambda m, x, rng: evaluation.active_units(m, x),
        lambda m, x, rng: list(evaluation.importance_nll(m, losses.bce, x, rng, 9)),
        lambda m, x, rng: plotting.manifold(m, 3).axes[0].images[0].get_array(),
    ],
)
def test_a_model_of_another_type_is_measured_as_one_of_32_bits(
    vae: model.VAE, dtype: torch.dtype, measure: Callable[..., Any]
):
    images = draw().test
    expected, found = (
        values(measure(each, images, torch.Generator().manual_seed(0)))
        for each in (vae, converted(vae, dtype))
    )
    assert found == expected


@OTHER_TYPES
def test_images_converts_z(vae: model.VAE, dtype: torch.dtype):
    z = plotting.manifold_grid(3)
    other = converted(vae, dtype).images(z)
    assert other.dtype == dtype
    torch.testing.assert_close(other.float(), vae.images(z), atol=0.02, rtol=0)


def test_a_new_model_has_32_bit_weights_on_torch_s_default_device():
    with default_dtype(torch.float64), torch.device("meta"):
        weight = model.VAE((1, 4, 4), (3,), 2).fc_mu.weight
    assert (weight.dtype, weight.device.type) == (torch.float32, "meta")


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({}, "10000"),
        ({"GOMP_SPINCOUNT": "5"}, "5"),
        ({"OMP_WAIT_POLICY": "active"}, "None"),
    ],
)
def test_threads_that_wait_give_way_unless_the_user_has_decided(
    given: dict[str, str], count: str, monkeypatch: pytest.MonkeyPatch
):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    code = "import os, vaelib; print(os.environ.get('GOMP_SPINCOUNT'))"
    command = [sys.executable, "-c", code]
    environment = os.environ | given
    assert subprocess.check_output(command, env=environment, text=True).strip() == count


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux's C library")
def test_the_memory_of_large_tensors_is_given_back():
    code = """
        import psutil, vaelib, torch
        held = [torch.ones(7_000_000) for _ in range(10)]  # 27 MiB each
        kept, full = held[::2], psutil.Process().memory_info().rss
        del held
        print((full - psutil.Process().memory_info().rss) / 2**20)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    freed = float(subprocess.check_output(command, text=True))
    assert freed == pytest.approx(5 * 26.7, abs=5)
