"""LatentExplorer: the state that Python sends to the browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vaelib import ImageData, runs
from vaelib.config import ConfigError
from vaelib.losses import kl_per_latent
from vaelib.model import VAE
from vaelib.plotting import GAP, decoded
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
    assert explorer.test["labels"] == (torch.arange(40) % 3).tolist()
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


def test_labels_of_any_size_arrive_as_they_are(data: ImageData):
    labels = torch.tensor([299, -1, 70_000, 255, 256])
    none = torch.zeros(96, dtype=torch.int64)
    few = replace(data, test=data.test[:5], labels=(none, labels), classes=())
    sent = LatentExplorer(VAE((1, 6, 6), (12,), 4), few).test["labels"]
    assert sent == [299, -1, 70_000, 255, 256]


def test_what_is_sent_is_bounded_for_large_images_and_many_latents():
    images = torch.randint(0, 256, (120, 3, 256, 256), dtype=torch.uint8)
    model = VAE((3, 256, 256), (2,), 10_000)
    explorer = LatentExplorer(model, ImageData(images[:1], images))
    sent = len(explorer.test["images"]), len(explorer.codes["mu"])
    assert sent == (21 * 3 * 256**2, 120 * 2 * 10_000)
    assert len(explorer.codes["kl"]) == 10_000


def test_a_model_that_no_page_can_hold_is_refused():
    with torch.device("meta"):
        model = VAE((1, 8, 8), (10_000, 10_000, 10_000), 2)
    with pytest.raises(ConfigError, match=r"take 382 MiB, and a widget .* most 256"):
        LatentExplorer(model)


def test_invalid_arguments_are_refused_in_one_sentence(data: ImageData, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"\(1, 6, 6\).*\(1, 28, 28\): give"):
        LatentExplorer(VAE(), data)
    with pytest.raises(ConfigError, match="bits is 4: give 8 or 32"):
        LatentExplorer(VAE(), bits=4)
    with pytest.raises(runs.RunError, match="run_meta"):
        LatentExplorer(tmp_path)


def test_figure_shows_images_their_reconstructions_and_steps_from_z(data: ImageData):
    model = VAE((1, 6, 6), (12,), 4)
    explorer = LatentExplorer(model, data)

    def tile(row: int, column: int) -> np.ndarray:
        [image] = explorer.figure.axes[0].images
        rows, columns = row * (6 + GAP), column * (6 + GAP)
        return np.asarray(image.get_array())[rows : rows + 6, columns : columns + 6, 0]

    mu, _ = model.encode(data.test[:9].flatten(1) / 255)
    assert (tile(0, 8) == data.test[8, 0].numpy()).all()
    assert (tile(1, 8) == decoded(model, mu)[8, 0].numpy()).all()
    explorer.z = [1.0, 2.0, 3.0, -1.0]
    for row in (2, 3, 4):
        z = torch.tensor([explorer.z])
        assert (tile(row, 4) == decoded(model, z)[0, 0].numpy()).all()
        assert (tile(row, 0) != tile(row, 4)).any()


def test_each_widget_has_a_picture_that_can_be_saved(
    playground: Playground, tmp_path: Path
):
    bare = LatentExplorer(VAE((1, 6, 6), (12,), 2))
    bundles = bare._repr_mimebundle_()[0], playground._repr_mimebundle_()
    for bundle in bundles:
        assert {"application/vnd.jupyter.widget-view+json", "image/png"} < set(bundle)
    assert bare.figure.axes[0].get_title(loc="left") == "Steps from z"
    for widget in (bare, playground):
        widget.save(tmp_path / "shown.png")
        assert Image.open(tmp_path / "shown.png").size > (100, 50)
