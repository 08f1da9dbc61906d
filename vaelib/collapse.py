"""Three cures of posterior collapse, in the terms of the training loop.

Free bits and capacity replace beta * KL by another penalty. Aggressive training of the
encoder leaves the objective as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vaelib.config import TrainConfig
from vaelib.images import ImageData
from vaelib.losses import capacity, free_bits
from vaelib.model import standard_normal
from vaelib.schedules import linear
from vaelib.state import State, steps_per_epoch


def penalty(config: TrainConfig, kl: Tensor, weight: Tensor | float) -> Tensor:
    """Return what is added to the mean reconstruction of some images, in nats, ().

    `kl`: the KL of each latent, (M, J). With `config.capacity` it is gamma times the
    distance of the mean KL from C = `weight`. Otherwise it is beta = `weight` times the
    KL term with free bits.
    """
    if config.capacity:
        return config.gamma * capacity(kl, weight)
    return weight * free_bits(kl, config.free_bits)


def capacity_at(config: TrainConfig, data: ImageData, step: int) -> float:
    """Return C at a step, in nats: along a line from 0, in `beta_warmup` epochs."""
    steps = config.beta_warmup * steps_per_epoch(config, data)
    return config.capacity * linear(step, steps)


def catch_up(
    state: State,
    config: TrainConfig,
    data: ImageData,
    sums_and_loss: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    x: Tensor,
    eps: Tensor,
) -> int:
    """Update the encoder alone, as long as that lowers the loss at x and eps.

    Each update, of `config.encoder_updates` at most, is made on a mini-batch of its
    own. So an encoder that is as good as it can be for this decoder is soon left alone.
    Return the number of updates.

    Source: He et al. 2019 (arXiv:1901.05534), with another rule when to stop.
    """
    before, phi = sums_and_loss(x, eps)[1].detach(), state.model.encoder_parameters()
    for done in range(config.encoder_updates):
        rows = torch.randint(len(data.train), (len(x),), generator=state.rng)
        other = data.batch(rows.to(x.device), state.rng)
        noise = standard_normal(*eps.shape, rng=state.rng).to(x.device)
        state.optimizer.zero_grad()  # theta has no gradient, and is left as it is
        sums_and_loss(other, noise)[1].backward(inputs=phi)
        state.optimizer.step()
        after = sums_and_loss(x, eps)[1].detach()
        if not after < before:
            return done + 1
        before = after
    return config.encoder_updates
