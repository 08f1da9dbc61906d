"""The state of a training run, how it starts, and the events that the loop yields."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass, field
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor

from vaelib.config import TrainConfig
from vaelib.devices import pick_device, require_compiler
from vaelib.images import ImageData
from vaelib.losses import LEAST_SIGMA, LOSSES
from vaelib.memory import check_memory
from vaelib.model import VAE, ConvVAE, initialise, standard_normal

INIT_SD = 0.1  # N(0, 0.01), section 5
MEAN_BYTES = 2**28  # memory that the mean image may take


def light(optimizer: type[torch.optim.Optimizer]) -> Any:
    """Return a class of torch's, without wrappers that keep torch.compile out of it.

    These wrappers import the compiler, which takes a second or more at each start.
    """
    names = ("add_param_group", "state_dict", "load_state_dict", "zero_grad")
    methods = {name: unwrap(getattr(optimizer, name)) for name in names}
    methods["step"] = torch.no_grad()(unwrap(optimizer.step))
    return type(optimizer.__name__, (optimizer,), methods)


Adam = light(torch.optim.Adam)
Adagrad = light(torch.optim.Adagrad)


@dataclass
class State:
    """Everything the next update depends on, complete at every yield of `updates`.

    - `rng`: the one stream of random numbers, on the CPU.
    - `losses`: reconstruction and KL of each step of this epoch, (steps, 2), summed
      over the mini-batch; (steps, 3) with the objective, if that is not their sum.
    - `order_seed`: seed of the order of the training images in this epoch.
    - `epoch`: number of finished epochs, including their test.
    - `step`: number of updates.
    - `chains`: for Monte Carlo EM, the last z of each training image, (N, J), else
      (0, J); `step_size`: that of its Hamiltonian Monte Carlo.
    """

    model: VAE
    optimizer: torch.optim.Optimizer
    rng: torch.Generator
    losses: Tensor
    chains: Tensor
    step_size: float = 0.1
    order_seed: int = 0
    epoch: int = 0
    step: int = 0

    def state_dict(self) -> dict[str, Any]:
        """Return a checkpoint from which training resumes exactly.

        It contains tensors and numbers only. It is a copy: later updates do not change
        it.
        """
        return deepcopy(self.content())

    def content(self) -> dict[str, Any]:
        """Return what `state_dict` copies."""
        return dict(
            model=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            rng=self.rng.get_state(),
            losses=self.losses,
            chains=self.chains,
            step_size=self.step_size,
            order_seed=self.order_seed,
            epoch=self.epoch,
            step=self.step,
        )

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore a checkpoint that `state_dict` returned, in place."""
        self.model.load_state_dict(saved["model"])
        # The settings of the optimizer are those of the config, as is the device.
        groups = self.optimizer.state_dict()["param_groups"]
        moments = saved["optimizer"]["state"]
        self.optimizer.load_state_dict(dict(state=moments, param_groups=groups))
        self.rng.set_state(saved["rng"])
        self.losses.copy_(saved["losses"])
        if len(self.chains):  # version 0.1.0 has none
            self.chains.copy_(saved["chains"])
            self.step_size = saved["step_size"]
        self.order_seed = saved["order_seed"]
        self.epoch = saved["epoch"]
        self.step = saved["step"]


@dataclass(frozen=True)
class Update:
    """Result of one update, where `step` is the number of updates so far.

    `sums` are the reconstruction and the KL term, (2,), summed over the `images` images
    of the mini-batch; (3,) with the objective, if that is not their sum. They stay on
    the device: to read them may wait for it.
    """

    step: int
    epoch: int
    beta: float
    sums: Tensor
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
    """Result of one epoch, in nats per image.

    - `recon`, `kl`, `kl_per_latent` (J,): means over the test split, with z sampled.
    - `train_recon`, `train_kl`: means over the training images during the epoch.
    - `more`: what `row` has beyond these, if the objective is not the sum of the terms.
    - `seconds`: duration of the part of the epoch that this process ran.
    - `noise`: standard normal z, (64, J), for samples.
    """

    epoch: int
    step: int
    beta: float
    recon: float
    kl: float
    train_recon: float
    train_kl: float
    seconds: float
    kl_per_latent: Tensor
    noise: Tensor
    more: dict[str, float] = field(default_factory=dict)

    @property
    def row(self) -> dict[str, float]:
        """Row of train_log.csv, with the sums total = recon + beta * kl and neg_elbo.

        `neg_elbo` is the total at beta = 1. For objective iwae `total` is minus that
        bound, and `neg_iwae` is the total at beta = 1. With free bits or capacity it
        has their penalty, where the mini-batch is the whole split.
        """
        row = dict(
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
        return row | self.more


@torch.inference_mode(False)  # also where the caller has switched gradients off
def start(config: TrainConfig, data: ImageData) -> State:
    """Return a new model, its optimizer and its stream of random numbers.

    Raises ConfigError if the device that `config` asks for, or torch.compile, is not
    available, or if this machine has less memory than the run will take.

    Example:

    >>> from vaelib import EpochEnd, TrainConfig, load_dataset, start, updates
    >>> data = load_dataset("sprites", image_size=8)
    >>> config = TrainConfig("sprites", image_size=8, hidden_dim=(16,), epochs=2)
    >>> state = start(config, data)
    >>> events = list(updates(state, data, config))
    >>> ends = [event for event in events if isinstance(event, EpochEnd)]
    >>> state.epoch, ends[1].row["total"] < ends[0].row["total"]
    (2, True)
    """
    device = pick_device(config.device)
    if config.compile:
        require_compiler(device)
    images = len(data.train) + len(data.test)
    check_memory(config, data.shape, images, on_gpu=device.type != "cpu")
    rng = torch.Generator().manual_seed(config.seed)

    # New layers draw from torch's global stream; that stream is left as it was, and
    # their weights are replaced by those drawn from `rng`.
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        model = build(config, data.shape)
    initialise(model, rng, INIT_SD if config.init == "normal" else None)
    if config.output_bias == "data":
        start_at_mean(model, data.train)
    model.to(device)

    shape = steps_per_epoch(config, data), 3 if config.has_own_total else 2
    losses = torch.zeros(shape, dtype=torch.float32, device=device)
    n = len(data.train) if config.method == "mcem" else 0
    chains = standard_normal(n, config.latent_dim, rng=rng).to(device)
    optimizer = optimizer_of(config, model, len(data.train))
    return State(model, optimizer, rng, losses, chains)


def optimizer_of(config: TrainConfig, model: VAE, n: int) -> torch.optim.Optimizer:
    """Return the optimizer of all weights, those of the encoder and of the decoder.

    The prior N(0, I) of the weights adds half their squares to the sum over the `n`
    images, equation (8). Our objective is a mean or sum over a mini-batch, and takes
    that share of them.
    """
    decay = 0.0
    if config.weight_prior == "normal":
        decay = (config.batch_size if config.gradient == "sum" else 1) / n
        if config.reduction == "mean":
            decay /= math.prod(model.shape)
    common = dict(lr=config.lr, weight_decay=decay, fused=config.fused)
    if config.optimizer == "adagrad":
        return Adagrad(model.parameters(), **common)
    return Adam(model.parameters(), betas=(0.9, config.adam_beta2), **common)


def build(config: TrainConfig, shape: tuple[int, ...]) -> VAE:
    """Return the model that `config` describes, for images of `shape` (C, H, W)."""
    common: dict[str, Any] = dict(
        hidden_dims=config.hidden_dim,
        latent_dim=config.latent_dim,
        activation=config.activation,
        output=LOSSES[config.loss].output,
        min_sigma=LEAST_SIGMA if config.loss == "logistic" else config.min_sigma,
    )
    if config.model == "conv":
        return ConvVAE(shape, conv_channels=config.conv_channels, **common)
    return VAE(shape, **common)


@torch.no_grad()
def start_at_mean(model: VAE, images: Tensor) -> None:
    """Set the last bias of the decoder, in place, to start at the mean image."""
    # A few columns at a time: as floats, large images would take four times the data.
    columns = images.flatten(1).split(max(1, MEAN_BYTES // (4 * len(images))), dim=1)
    means = torch.cat([some.float().mean(0) for some in columns])
    mean = means.div(255).clamp(1e-3, 1 - 1e-3)
    *_, bias = model.fc_out.parameters()
    if isinstance(model, ConvVAE):  # it has a bias for each channel, not each pixel
        mean = mean.view(model.shape[0], -1).mean(1)
    bias[: len(mean)] = mean.logit()


def steps_per_epoch(config: TrainConfig, data: ImageData) -> int:
    """Return the number of mini-batches of an epoch; the last one may be smaller."""
    return math.ceil(len(data.train) / config.batch_size)


def epoch_order(state: State, n: int, is_new: bool) -> Tensor:
    """Return the order of the `n` training images in this epoch, (n,).

    A new epoch draws two seeds, as PyTorch's DataLoader does: one for its workers,
    which is not used, and one for the order.
    """
    if is_new:
        _, state.order_seed = draw_seed(state.rng), draw_seed(state.rng)
    generator = torch.Generator().manual_seed(state.order_seed)
    return torch.randperm(n, generator=generator, device="cpu")


def draw_seed(rng: torch.Generator) -> int:
    """Return a seed, drawn from `rng` in the way of PyTorch's DataLoader."""
    return int(torch.empty((), dtype=torch.int64, device="cpu").random_(generator=rng))
