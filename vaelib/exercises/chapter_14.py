"""What the exercises of Chapter 14 ask for."""

from __future__ import annotations

import math

from vaelib.exercises.parts import Part
from vaelib.losses import bits_per_dim
from vaelib.model import Linear, halving


def exercise_1() -> list[Part]:
    """Return the weights of a convolution, and of a dense layer between its images."""
    before, after = (3, 32, 32), (32, 16, 16)
    layers = halving(before, after), Linear(math.prod(before), math.prod(after))
    of_conv, of_dense = (sum(w.numel() for w in x.parameters()) for x in layers)
    conv_errors = {
        "the biases are missing: one for each channel that comes out.": of_conv - 32,
        "this is for one channel of the image: the kernel sees all three.": 16 * 32
        + 32,
        "a kernel is 4 x 4, not 3 x 3.": 27 * 32 + 32,
    }
    dense_errors = {
        "the biases are missing: one for each number that comes out.": of_dense - 8192,
        "the image has three channels.": (1024 + 1) * 8192,
        "32 channels come out, each of 16 x 16 numbers.": (3072 + 1) * 256,
    }
    return [
        Part("of_convolution", of_conv, errors=conv_errors),
        Part("of_dense_layer", of_dense, errors=dense_errors),
    ]


def exercise_2() -> list[Part]:
    """Return the bits of 7,300 nats for an image (3, 32, 32), and the nats of 4.51."""
    bits, nats = bits_per_dim(7300.0, 3072), 4.51 * 3072 * math.log(2)
    bits_errors = {
        "these are nats for each number: a bit is log 2 nats.": 7300 / 3072,
        "divide by the numbers of all three channels.": bits * 3,
        "these are the bits of the whole image.": bits * 3072,
    }
    nats_errors = {
        "these are bits of the whole image: a bit is log 2 nats.": 4.51 * 3072,
        "divided by log 2, where it takes a factor.": 4.51 * 3072 / math.log(2),
        "an image has three channels.": nats / 3,
    }
    return [
        Part("bits_of_bound", bits, rel=1e-3, errors=bits_errors),
        Part("nats_of_target", nats, rel=1e-3, errors=nats_errors),
    ]


def exercise_3() -> list[Part]:
    """Return the bits per dimension of a density of 3,000 nats an image."""
    n, width = 3072, math.log(255)

    def bits(nats: float) -> float:
        return nats / (n * math.log(2))

    errors = {
        "the levels are missing: a probability is a density times a width.": bits(
            -3000
        ),
        "the width is a distance of two levels, 1/255, not 255.": bits(
            -n * width - 3000
        ),
        "a large density makes an image more probable, not less.": bits(
            n * width + 3000
        ),
    }
    return [Part("bits_of_density", bits(n * width - 3000), rel=2e-3, errors=errors)]
