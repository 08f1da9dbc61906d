"""The events that the training loop yields: one per update, and one per epoch."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Update:
    """Result of one update, where `step` is the number of updates so far.

    `sums` are the reconstruction and the KL term, (2,), summed over the `images` images
    of the mini-batch. They stay on the device: to read them may wait for it.
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

    @property
    def row(self) -> dict[str, float]:
        """Row of train_log.csv, with the sums total = recon + beta * kl and neg_elbo.

        `neg_elbo` is the total at beta = 1.
        """
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
