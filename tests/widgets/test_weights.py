"""Weights rounded to 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch

from vaelib.model import VAE, ConvVAE
from vaelib.widgets.weights import layers, quantise, rounded


def test_the_rounding_error_is_at_most_half_a_step():
    weight = torch.randn(50, 30, generator=torch.Generator().manual_seed(0))
    integers, scale = quantise(weight)
    error = (integers * scale[:, None] - weight).abs()
    step = weight.abs().amax(1, keepdim=True) / 127
    assert (error <= 0.501 * step).all()


def test_weights_that_are_all_zero_stay_zero():
    assert quantise(torch.zeros(2, 3))[0].tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("new", [VAE, partial(ConvVAE, conv_channels=(3, 4))])
def test_rounding_does_not_change_the_model_itself(new: Callable[..., VAE]):
    model = new((1, 6, 6), hidden_dims=(12,), latent_dim=4)
    before = [weight.clone() for weight, _ in layers(model)]
    copy = rounded(model)
    for old, (weight, _), (coarse, _) in zip(
        before, layers(model), layers(copy), strict=True
    ):
        assert torch.equal(old, weight)
        assert not torch.equal(weight, coarse)
