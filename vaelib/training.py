"""Algorithm 1: the one training loop, as a generator of updates.

The command line, the notebooks and the widgets all consume this generator.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from vaelib.bounds import Nats, importance_weighted_bound, log_weights_at
from vaelib.collapse import capacity_at, catch_up, penalty
from vaelib.config import TrainConfig
from vaelib.devices import has_bfloat16

# "pick_device as pick_device" keeps such a name importable from this module.
from vaelib.devices import pick_device as pick_device
from vaelib.errors import hold_interrupts
from vaelib.evaluation import average_terms, mean_nll
from vaelib.images import ImageData
from vaelib.losses import kl_divergence, kl_per_latent, reconstruction
from vaelib.model import VAE, standard_normal
from vaelib.paper import em, wake_sleep
from vaelib.schedules import beta_at, learning_rate
from vaelib.state import Adam as Adam
from vaelib.state import (
    EpochEnd,
    State,
    Update,
    draw_seed,
    epoch_order,
    steps_per_epoch,
)
from vaelib.state import build as build
from vaelib.state import start as start

N_SAMPLES = 64  # images on a sheet of samples


class Diverged(ArithmeticError):
    """Error for a loss that is not a finite number."""


def effective_beta(config: TrainConfig, shape: tuple[int, ...]) -> float:
    """Return beta in nats per image.

    If the reconstruction is a mean over pixels, the KL weighs D = C*H*W times as much.
    """
    return config.beta * (math.prod(shape) if config.reduction == "mean" else 1)


def schedule(config: TrainConfig, data: ImageData) -> Callable[[int], float]:
    """Return beta as a function of the step, including the changes made by hand."""
    steps = steps_per_epoch(config, data)
    unit = effective_beta(replace(config, beta=1.0, beta_changes=""), data.shape)
    changes = {step: beta * unit for step, beta in config.beta_by_step().items()}

    def beta(step: int) -> float:
        latest = max(change for change in changes if change <= step)
        return beta_at(
            step,
            config.beta_schedule,
            changes[latest],
            total=config.epochs * steps,
            warmup=config.beta_warmup * steps,
            cycles=config.beta_cycles,
            ratio=config.beta_ratio,
        )

    return beta


def update_function(
    state: State, config: TrainConfig, data: ImageData
) -> Callable[..., Tensor]:
    """Return one step of Algorithm 1 as a function of x (M, D), eps (M, J) and beta.

    For K draws eps is (K, M, J). The function returns reconstruction and KL, (2,),
    summed over the mini-batch; (3,) with the objective, if that is not their sum.
    """
    device = state.losses.device
    is_fast = config.matmul_precision == "medium" and has_bfloat16(device)
    nats = reconstruction(config.loss, config.sigma)
    scale = 1 / math.prod(data.shape) if config.reduction == "mean" else 1.0

    def terms(x: Tensor, eps: Tensor, *weight: Tensor) -> Tensor:
        # Unlike torch.set_float32_matmul_precision, this is for this thread alone.
        with torch.autocast(device.type, torch.bfloat16, enabled=is_fast):
            x_hat, mu, logvar = state.model(x, eps)
        recon, kl = nats(x_hat, x).sum() / config.samples, kl_per_latent(mu, logvar)
        sums = recon, kl.sum(-1).sum()
        if config.has_penalty:
            sums = *sums, recon + len(x) * penalty(config, kl, *weight)
        return torch.stack(sums)

    weighted = partial(weighted_terms, state.model, config, nats, is_fast)
    chosen = weighted if config.uses_weights else terms
    compiled = torch.compile(chosen, dynamic=False) if config.compile else chosen

    def sums_and_loss(x: Tensor, eps: Tensor, beta: float) -> tuple[Tensor, Tensor]:
        weight = capacity_at(config, data, state.step) if config.capacity else beta
        given = (x, eps, x.new_tensor(weight)) if config.has_own_total else (x, eps)
        # The last mini-batch may be smaller, and is not worth a compilation of its own.
        sums = compiled(*given) if len(x) == config.batch_size else chosen(*given)
        recon, kl, *minimised = sums
        objective = minimised[0] if minimised else recon + beta * kl
        factor = scale if config.gradient == "sum" else scale / len(x)
        return sums, objective * factor

    def update(x: Tensor, eps: Tensor, beta: float, *_: object) -> Tensor:
        if config.encoder_updates:
            catch_up(state, config, data, partial(sums_and_loss, beta=beta), x, eps)
        state.optimizer.zero_grad()
        sums, loss = sums_and_loss(x, eps, beta)
        loss.backward()
        state.optimizer.step()
        return sums.detach()

    return update


def weighted_terms(
    model: VAE,
    config: TrainConfig,
    nats: Nats,
    is_fast: bool,
    x: Tensor,
    eps: Tensor,
    beta: Tensor,
) -> Tensor:
    """Return reconstruction, KL and objective, (3,), summed over the mini-batch.

    `eps`: noise (K, M, J). The first two are the terms of the bound. The objective is
    minus the mean log weight, or minus the importance-weighted bound; its gradient is
    that of `config.estimator`.
    """
    with torch.autocast(x.device.type, torch.bfloat16, enabled=is_fast):
        mu, logvar = model.encode(x)
        z = model.reparameterize(mu, logvar, eps)
        x_hat = model.decode(z)
    recon = nats(x_hat, x)
    log_w = log_weights_at(z, mu, logvar, recon, beta, config.estimator)
    is_iwae = config.objective == "iwae"
    bound = importance_weighted_bound(log_w) if is_iwae else log_w.mean(0)
    terms = recon.mean(0), kl_divergence(mu, logvar), -bound
    return torch.stack([term.sum() for term in terms])


METHODS = {
    "aevb": update_function,
    "wake_sleep": wake_sleep.update_function,
    "mcem": em.update_function,
}


@torch.inference_mode(False)  # also where the caller has switched gradients off
def updates(
    state: State,
    data: ImageData,
    config: TrainConfig,
    beta: Callable[[int], float] | None = None,
) -> Iterator[Update | EpochEnd]:
    """Train by Algorithm 1; yield after every update and every epoch.

    L is 1, or `config.samples`. Also by wake-sleep or Monte Carlo EM, if
    `config.method` says so.
    `beta`, a function of the step, replaces the schedule of `config`. Training pauses
    while the next event is not requested. Raises Diverged if the loss is not finite.

    Example:

    >>> from vaelib import TrainConfig, load_dataset, start, updates
    >>> data = load_dataset("sprites", image_size=8)
    >>> config = TrainConfig("sprites", image_size=8, hidden_dim=(16,), epochs=1)
    >>> warmup = lambda step: min(1.0, step / 40)
    >>> events = updates(start(config, data), data, config, beta=warmup)
    >>> first = next(events)
    >>> first.step, first.beta, first.images
    (1, 0.0, 256)
    """
    beta = beta or schedule(config, data)
    device, size = state.losses.device, config.batch_size
    draws = (config.samples,) if config.samples > 1 or config.uses_weights else ()
    data = data.to(device)
    update = METHODS[config.method](state, config, data)
    n, steps = len(data.train), steps_per_epoch(config, data)

    while state.epoch < config.epochs:
        began = time.perf_counter()
        first = state.epoch * steps
        order = None

        for i in range(state.step - first, steps):
            with hold_interrupts():  # an update is made as a whole, or not begun
                if order is None:
                    order = epoch_order(state, n, state.step == first).to(device)
                rows = order[i * size : (i + 1) * size]
                x = data.batch(rows, state.rng)
                eps = standard_normal(*draws, len(x), config.latent_dim, rng=state.rng)
                beta_now = beta(state.step)
                set_learning_rate(state, config, total=config.epochs * steps)
                eps = eps.to(device, non_blocking=True)
                sums = update(x, eps, beta_now, rows)
                state.losses[i] = sums
                state.step += 1
            # On a GPU this check would wait for the device, so it follows the epoch.
            if device.type == "cpu" and not sums.isfinite().all():
                break
            yield Update(state.step, state.epoch, beta_now, sums, len(x))

        require_finite(state, steps)
        rng = state.rng.clone_state()  # a test that is interrupted is made again
        draw_seed(rng)  # as PyTorch's DataLoader of the test split does
        end = measure(state, data, config, beta(state.step - 1), rng, began)
        with hold_interrupts():
            state.rng.set_state(rng.get_state())
            state.epoch += 1
        yield end


def set_learning_rate(state: State, config: TrainConfig, total: int) -> None:
    """Set the optimizer's learning rate for the next of `total` steps, in place."""
    share = learning_rate(state.step, total, config.lr_schedule, config.lr_warmup)
    for group in state.optimizer.param_groups:
        group["lr"] = config.lr * share


def measure(
    state: State,
    data: ImageData,
    config: TrainConfig,
    beta: float,
    rng: torch.Generator,
    began: float,
) -> EpochEnd:
    """Return the test terms of the model, and the training means of this epoch so far.

    `began` is the time.perf_counter() at the start of the epoch. Raises Diverged if a
    test term is not finite.
    """
    nats = reconstruction(config.loss, config.sigma)
    recon, kl = average_terms(state.model, nats, data.test, rng, config.batch_size)
    if not (recon + kl.sum()).isfinite():
        raise diverged(state.step)
    noise = standard_normal(N_SAMPLES, config.latent_dim, rng=rng)

    # Summed on the CPU, because Apple's GPU has no double precision.
    done = state.step - state.epoch * steps_per_epoch(config, data)
    seen = max(1, min(len(data.train), done * config.batch_size))
    means = (state.losses[:done].cpu().double().sum(0) / seen).tolist()
    more = dict(train_total=means[2]) if config.has_own_total else {}
    if config.has_penalty:
        last = max(0, state.step - 1)
        weight = capacity_at(config, data, last) if config.capacity else beta
        more["total"] = (recon + penalty(config, kl[None], weight)).item()
    if config.objective == "iwae":
        found = {}
        for weight in {beta, 1.0}:
            draws = rng.clone_state(), config.samples  # the same for both
            found[weight] = mean_nll(state.model, nats, data.test, *draws, beta=weight)
        more |= dict(total=found[beta], neg_iwae=found[1.0])

    return EpochEnd(
        epoch=state.epoch,
        step=state.step,
        beta=beta,
        recon=recon.item(),
        kl=kl.sum().item(),
        train_recon=means[0],
        train_kl=means[1],
        seconds=time.perf_counter() - began,
        kl_per_latent=kl,
        noise=noise,
        more=more,
    )


def require_finite(state: State, steps: int) -> None:
    """Raise Diverged if the loss of a step of this epoch is not finite.

    `steps` is the number of steps of an epoch. The message names the first such step.
    """
    first = state.epoch * steps
    bad = ~torch.isfinite(state.losses[: state.step - first]).all(1)
    if bad.any():
        raise diverged(first + int(bad.nonzero()[0]) + 1)


def diverged(step: int) -> Diverged:
    """Return the error for a loss that is not finite at `step`."""
    return Diverged(
        f"the loss is not finite at step {step}: give a smaller lr; "
        "what was saved before it is kept."
    )
