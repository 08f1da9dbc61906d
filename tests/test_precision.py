"""Products in bfloat16: only in updates, only in their thread, and close to exact."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vaelib import EpochEnd, TrainConfig, Update, start, updates
from vaelib.checkpoints import config_of
from vaelib.data import sprites
from vaelib.devices import has_bfloat16
from vaelib.evaluation import average_terms
from vaelib.losses import LOSSES, reconstruction
from vaelib.model import VAE
from vaelib.presets import PRESETS
from vaelib.training import draw_seed

CPU = torch.device("cpu")
DATA = sprites(n_train=512, n_test=128, size=16)


def settings(**given: Any) -> TrainConfig:
    """Return a config with layers that are large enough, for two updates an epoch."""
    shape: dict[str, Any] = dict(dataset="sprites", image_size=16, hidden_dim=(128,))
    shape |= dict(device="cpu", epochs=2)
    return TrainConfig(**(shape | given))


def losses(**given: Any) -> Tensor:
    """Return the losses, nats per image, of the updates of a run."""
    config = settings(**given)
    events = updates(start(config, DATA), DATA, config)
    return torch.tensor([u.recon + u.kl for u in events if isinstance(u, Update)])


def reader() -> tuple[str, bool, Tensor]:
    """Return what a reader sees: torch's settings, and a product."""
    a = torch.linspace(-1, 1, 128 * 128).view(128, 128)
    precision = torch.get_float32_matmul_precision()
    return precision, torch.is_autocast_enabled("cpu"), a @ a


def test_the_default_is_fast_and_the_presets_are_exact():
    assert TrainConfig().matmul_precision == "medium"
    assert {preset["matmul_precision"] for preset in PRESETS.values()} == {"highest"}
    assert config_of(dict(config={})).matmul_precision == "highest"  # version 0.1.0


@pytest.mark.skipif(sys.platform != "linux", reason="It reads Linux's list.")
def test_a_fast_processor_is_known():
    flags = Path("/proc/cpuinfo").read_text().split()
    assert has_bfloat16(CPU) == bool({"amx_bf16", "avx512_bf16"} & {*flags})


@pytest.mark.parametrize("loss", LOSSES)
def test_training_is_close_to_exact(loss: str):
    exact = losses(loss=loss, matmul_precision="highest")
    fast = losses(loss=loss)
    assert torch.equal(fast, exact) != has_bfloat16(CPU)
    torch.testing.assert_close(fast, exact, rtol=5e-3, atol=0.05)


@pytest.mark.parametrize("mine", ["highest", "high"])
def test_the_readers_products_stay_exact_while_a_thread_trains(mine: str):
    torch.set_float32_matmul_precision(mine)
    try:
        precision, autocast, product = reader()
        trains = threading.Event()

        def train() -> None:
            for _ in updates(start(config, DATA), DATA, config):
                trains.set()

        config = settings(epochs=20)
        thread = threading.Thread(target=train)
        thread.start()
        assert trains.wait(60)
        looks = 0
        while thread.is_alive():
            now = reader()
            assert now[:2] == (precision, autocast) == (mine, False)
            assert torch.equal(now[2], product)
            looks += 1
        assert looks > 3
        assert torch.get_float32_matmul_precision() == mine
    finally:
        torch.set_float32_matmul_precision("highest")


def test_between_updates_and_in_the_test_everything_is_exact():
    config = settings()
    state, product = start(config, DATA), reader()[2]
    rng = state.rng
    for event in updates(state, DATA, config):
        assert torch.equal(reader()[2], product)
        if isinstance(event, EpochEnd):
            nats = reconstruction(config.loss)
            recon, kl = average_terms(state.model, nats, DATA.test, rng, 256)
            assert (event.recon, event.kl) == (recon.item(), kl.sum().item())
        rng = state.rng.clone_state()  # the last is that of the test
        draw_seed(rng)


def test_shapes_are_computed_without_numbers():
    """On a device for which there is no autocast."""
    x, eps = (torch.empty(2, n, device="meta") for n in (784, 3))
    x_hat, mu, _ = VAE(latent_dim=3).to("meta")(x, eps)
    assert (x_hat.shape, mu.shape) == (x.shape, eps.shape)


LIMITED = """
import sys, torch
sys.path.insert(0, sys.argv[1])
from test_precision import DATA, losses, settings, start, updates
torch.testing.assert_close(
    losses(), losses(matmul_precision="highest"), rtol=5e-3, atol=0.05
)
config = settings()
whole, first, second = (start(config, DATA) for _ in range(3))
list(updates(whole, DATA, config))
next(updates(first, DATA, config))
second.load_state_dict(first.state_dict())
list(updates(second, DATA, config))
for a, b in zip(whole.model.parameters(), second.model.parameters()):
    assert torch.equal(a, b)
"""


@pytest.mark.parametrize("isa", ["ALL", "AVX2"])
def test_a_run_resumes_bit_for_bit_with_other_instructions(isa: str):
    """Torch and oneDNN are told to use those of an older processor."""
    command = [sys.executable, "-c", LIMITED, str(Path(__file__).parent)]
    older = dict(ATEN_CPU_CAPABILITY="default") if isa == "AVX2" else {}
    env = os.environ | older | dict(ONEDNN_MAX_CPU_ISA=isa)
    subprocess.run(command, env=env, check=True)
