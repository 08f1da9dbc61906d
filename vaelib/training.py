"""The one loop, Algorithm 1, as a generator of updates: the command line, the notebooks and the widgets listen to it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor

from vaelib.config import ConfigError, TrainConfig
from vaelib.data import ImageData
from vaelib.evaluation import average_terms
from vaelib.losses import LOSSES, kl_divergence, reconstruction
from vaelib.model import VAE, initialise
from vaelib.schedules import beta_at, learning_rate

N_SAMPLES = 64  # pictures on a sheet of samples


class Diverged(ArithmeticError):
    """The loss is no longer a finite number."""


class Adam(torch.optim.Adam):
    """torch's own, without the wrappers with which it shuts torch's compiler out: they import it, a second or more."""

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    state_dict = unwrap(torch.optim.Adam.state_dict)
    load_state_dict = unwrap(torch.optim.Adam.load_state_dict)
    zero_grad = unwrap(torch.optim.Adam.zero_grad)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))


@dataclass
class State:
    """All that the next update depends on, and nothing else; whole at every yield of `updates`."""

    model: VAE
    optimizer: torch.optim.Optimizer
    rng: torch.Generator  # one CPU stream; initialisation draws from it too
    losses: Tensor  # (steps of an epoch, 2): reconstruction and KL summed over each minibatch of this epoch
    order_seed: int = (
        0  # drawn at the start of an epoch; its permutation is a function of it
    )
    epoch: int = 0  # epochs ended, tests included
    step: int = 0  # updates made

    def state_dict(self) -> dict[str, Any]:
        """An exact resume point, of tensors and numbers only."""
        return dict(
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            rng=self.rng.get_state(),
            losses=self.losses,
            order_seed=self.order_seed,
            epoch=self.epoch,
            step=self.step,
        )

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Back to where `state_dict` was taken."""
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.rng.set_state(saved["rng"])
        self.losses.copy_(saved["losses"])
        self.order_seed, self.epoch, self.step = (
            saved["order_seed"],
            saved["epoch"],
            saved["step"],
        )


@dataclass(frozen=True)
class Update:
    """One step: how many were made, its epoch and beta, and the minibatch's sums (tensors: reading one may wait)."""

    step: int
    epoch: int
    beta: float
    sums: Tensor  # (2,): reconstruction and KL
    images: int

    @property
    def recon(self) -> float:
        """Reconstruction term, nats per image."""
        return self.sums[0].item() / self.images

    @property
    def kl(self) -> float:
        """KL term, nats per image."""
        return self.sums[1].item() / self.images


@dataclass(frozen=True)
class EpochEnd:
    """Test figures (whole split, z sampled) and training means of an epoch, nats per image, and noise for samples."""

    epoch: int
    step: int
    beta: float
    recon: float
    kl: float
    train_recon: float
    train_kl: float
    seconds: float  # of this epoch, as far as this process ran it
    kl_per_latent: Tensor  # (J,)
    noise: Tensor  # (64, J)

    @property
    def row(self) -> dict[str, float]:
        """The epoch's line in train_log.csv; `total` = recon + beta * kl, and `neg_elbo` the same at beta = 1."""
        return dict(
            epoch=self.epoch,
            beta=self.beta,
            recon=self.recon,
            kl=self.kl,
            total=self.recon + self.beta * self.kl,
            neg_elbo=self.recon + self.kl,
            train_recon=self.train_recon,
            train_kl=self.train_kl,
            train_total=self.train_recon + self.beta * self.train_kl,
            seconds=self.seconds,
        )


def pick_device(name: str) -> torch.device:
    """`auto` is CUDA where there is any, else Apple's GPU, else the CPU. Raises: ConfigError where it is missing."""
    found = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, here in found.items() if here)
    if not found[name]:
        raise ConfigError(
            f"device is {name!r}, which this machine or this build of torch lacks: give auto or cpu."
        )
    return torch.device(name)


def build(config: TrainConfig, shape: tuple[int, ...]) -> VAE:
    """The model that `config` describes, for pictures of `shape` (C, H, W)."""
    return VAE(
        shape,
        config.hidden_dim,
        config.latent_dim,
        config.activation,
        LOSSES[config.loss].output,
        config.min_sigma,
    )


@torch.no_grad()
def start_at_mean(model: VAE, images: Tensor) -> None:
    """Sets the decoder's last bias so that it begins at the mean image: it need not be learned first."""
    mean = images.flatten(1).float().mean(0).div(255).clamp(1e-3, 1 - 1e-3)
    model.fc_out.bias[: len(mean)] = mean.logit()


def steps_per_epoch(config: TrainConfig, data: ImageData) -> int:
    """The last minibatch of an epoch may be a small one."""
    return math.ceil(len(data.train) / config.batch_size)


def start(config: TrainConfig, data: ImageData) -> State:
    """A new model, its optimizer and its stream of random numbers."""
    device = pick_device(config.device)
    rng = torch.Generator().manual_seed(config.seed)
    with torch.random.fork_rng(
        devices=[]
    ):  # what torch draws for a new layer is not used, and nobody is to notice
        model = build(config, data.shape)
    initialise(model, rng)
    if config.output_bias == "data":
        start_at_mean(model, data.train)
    model.to(device)
    optimizer = Adam(
        model.parameters(),
        lr=config.lr,
        betas=(0.9, config.adam_beta2),
        fused=config.fused,
    )
    return State(
        model,
        optimizer,
        rng,
        torch.zeros(steps_per_epoch(config, data), 2, device=device),
    )


def effective_beta(config: TrainConfig, shape: tuple[int, ...]) -> float:
    """Beta in nats per image: a pixel-mean reconstruction makes the KL weigh D = C*H*W times as much."""
    return config.beta * (math.prod(shape) if config.reduction == "mean" else 1)


def schedule(config: TrainConfig, data: ImageData) -> Callable[[int], float]:
    """Beta of each step, as `config` asks for it, with the changes that were made by hand."""
    steps = steps_per_epoch(config, data)
    unit = effective_beta(replace(config, beta=1.0, beta_changes=""), data.shape)
    betas = {step: beta * unit for step, beta in config.beta_by_step().items()}
    return lambda step: beta_at(
        step,
        config.beta_schedule,
        betas[max(change for change in betas if change <= step)],
        config.epochs * steps,
        config.beta_warmup * steps,
        config.beta_cycles,
        config.beta_ratio,
    )


def update_function(
    state: State, config: TrainConfig, data: ImageData
) -> Callable[[Tensor, Tensor, float], Tensor]:
    """One step of Algorithm 1 as a function of x (M, D), eps (M, J) and beta; returns the sums of both terms, (2,)."""
    nats = reconstruction(config.loss, config.sigma)
    scale = 1 / math.prod(data.shape) if config.reduction == "mean" else 1.0

    def terms(x: Tensor, eps: Tensor) -> Tensor:
        x_hat, mu, logvar = state.model(x, eps)
        return torch.stack((nats(x_hat, x).sum(), kl_divergence(mu, logvar).sum()))

    compiled = torch.compile(terms, dynamic=False) if config.compile else terms

    def update(x: Tensor, eps: Tensor, beta: float) -> Tensor:
        state.optimizer.zero_grad()
        sums = compiled(x, eps) if len(x) == config.batch_size else terms(x, eps)
        recon, kl = sums
        objective = recon + beta * kl
        (objective * (scale if config.gradient == "sum" else scale / len(x))).backward()
        state.optimizer.step()
        return sums.detach()

    return update


def updates(
    state: State,
    data: ImageData,
    config: TrainConfig,
    beta: Callable[[int], float] | None = None,
) -> Iterator[Update | EpochEnd]:
    """Algorithm 1 with M = `batch_size` and L = 1: yields after every update, and after every epoch's test.

    Not asking for the next one is a pause; `beta` may be changed between two. Nothing that a listener draws changes a
    result. Raises: Diverged, which names the step, where the loss is not finite.
    """
    beta = beta or schedule(config, data)
    device = state.losses.device
    data = data.to(device)
    update = update_function(state, config, data)
    n, steps, size = len(data.train), steps_per_epoch(config, data), config.batch_size

    while state.epoch < config.epochs:
        began = time.perf_counter()
        if (
            state.step == state.epoch * steps
        ):  # as a DataLoader does: a seed for its workers, then one for the order
            _, state.order_seed = draw_seed(state.rng), draw_seed(state.rng)
        order = torch.randperm(
            n, generator=torch.Generator().manual_seed(state.order_seed)
        ).to(device)
        for i in range(state.step - state.epoch * steps, steps):
            x = data.batch(order[i * size : (i + 1) * size], state.rng)
            eps = torch.randn(len(x), config.latent_dim, generator=state.rng).to(
                device, non_blocking=True
            )
            weight = beta(state.step)
            for group in state.optimizer.param_groups:
                group["lr"] = config.lr * learning_rate(
                    state.step,
                    config.epochs * steps,
                    config.lr_schedule,
                    config.lr_warmup,
                )
            state.losses[i] = sums = update(x, eps, weight)
            state.step += 1
            if (
                device.type == "cpu" and not sums.isfinite().all()
            ):  # elsewhere looking would make the host wait
                break
            yield Update(state.step, state.epoch, weight, sums, len(x))

        require_finite(state, steps)
        draw_seed(state.rng)  # the test DataLoader's
        end = measure(state, data, config, beta(state.step - 1), state.rng, began)
        state.epoch += 1
        yield end


def measure(
    state: State,
    data: ImageData,
    config: TrainConfig,
    beta: float,
    rng: torch.Generator,
    began: float,
) -> EpochEnd:
    """The test figures of the moment, and the means over the training images that this epoch has seen so far.

    Raises: Diverged, where the last update broke the weights.
    """
    nats = reconstruction(config.loss, config.sigma)
    done = state.step - state.epoch * steps_per_epoch(config, data)
    seen = max(1, min(len(data.train), done * config.batch_size))
    recon, kl = average_terms(state.model, nats, data.test, rng, config.batch_size)
    if not (recon + kl.sum()).isfinite():
        raise diverged(state.step)
    noise = torch.randn(N_SAMPLES, config.latent_dim, generator=rng)
    train_recon, train_kl = (
        state.losses[:done].cpu().double().sum(0) / seen
    ).tolist()  # Apple's GPU has no doubles
    return EpochEnd(
        state.epoch,
        state.step,
        beta,
        recon.item(),
        kl.sum().item(),
        train_recon,
        train_kl,
        time.perf_counter() - began,
        kl,
        noise,
    )


def draw_seed(rng: torch.Generator) -> int:
    """A seed, drawn as PyTorch's DataLoader draws its own."""
    return int(torch.empty((), dtype=torch.int64).random_(generator=rng))


def require_finite(state: State, steps: int) -> None:
    """Raises: Diverged, which names the first step of this epoch whose loss is not finite."""
    begun = state.epoch * steps
    bad = ~torch.isfinite(state.losses[: state.step - begun]).all(1)
    if bad.any():
        raise diverged(begun + int(bad.nonzero()[0]) + 1)


def diverged(step: int) -> Diverged:
    """What is said of a loss that is not finite."""
    return Diverged(
        f"the loss is not finite at step {step}: give a smaller lr; what was saved before it is kept."
    )
