"""LatentExplorer: the state that Python sends to the browser."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vaelib import ImageData, runs
from vaelib.config import ConfigError
from vaelib.losses import kl_per_latent
from vaelib.model import VAE
from vaelib.widgets import LatentExplorer, Playground
from vaelib.widgets.explorer import FIXED_POINT
from vaelib.widgets.weights import pack


def test_state_contains_images_labels_means_and_kl(data: ImageData):
    model = VAE((1, 6, 6), (12,), 4)
    explorer = LatentExplorer(model, data)
    mu, logvar = model.encode(data.test.flatten(1) / 255)
    kl = kl_per_latent(mu, logvar).mean(0).tolist()
    assert explorer.codes["kl"] == pytest.approx(kl, rel=1e-5)
    sent = torch.frombuffer(bytearray(explorer.codes["mu"]), dtype=torch.int16)
    means = sent.reshape(40, 4) / FIXED_POINT
    torch.testing.assert_close(means, mu.detach(), atol=0.6 / FIXED_POINT, rtol=0)
    assert explorer.test["images"] == data.test.numpy().tobytes()
    assert list(explorer.test["labels"]) == (torch.arange(40) % 3).tolist()
    assert repr(explorer) == "LatentExplorer(4 latents)"


def test_the_folder_of_a_run_can_be_given(playground: Playground, data: ImageData):
    playground.keep()
    playground.wait()
    [run] = playground.panel.kept
    explorer = LatentExplorer(run["path"], data)
    assert explorer.network == pack(playground.session.state.model)


def test_without_data_only_the_network_is_sent():
    explorer = LatentExplorer(VAE((1, 6, 6), (12,), 4))
    assert explorer.test == explorer.codes == {}


def test_invalid_arguments_are_refused_in_one_sentence(data: ImageData, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"\(1, 6, 6\).*\(1, 28, 28\): give"):
        LatentExplorer(VAE(), data)
    with pytest.raises(ConfigError, match="bits is 4: give 8 or 32"):
        LatentExplorer(VAE(), bits=4)
    with pytest.raises(runs.RunError, match="run_meta"):
        LatentExplorer(tmp_path)
