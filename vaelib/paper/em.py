r"""Monte Carlo EM, App. E, with which the paper compares its algorithm in Fig 3.

Fisher's identity is why it works: the gradient of log p(x) is the mean of the gradient
of log p(x, z) under the posterior p(z|x). So z is drawn from the posterior by HMC (the
E-step), and the weights follow the gradient of log p(x, z) (the M-step).

The method has no encoder. Ours learns to describe the draws, by log q(z|x), so that a
run has a bound, reconstructions and pictures; the decoder never sees it.

Sources: Wei & Tanner 1990; for the exact steps, Tipping & Bishop 1999.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vaelib.bounds import log_normal
from vaelib.config import TrainConfig
from vaelib.exact import LinearGaussian
from vaelib.images import ImageData
from vaelib.losses import LOG_2PI, kl_divergence, reconstruction
from vaelib.paper.hmc import jittered, log_joint_of, transition, tuned
from vaelib.state import State

LEAPFROG_STEPS = 10  # App. E
WEIGHT_UPDATES = 5  # "using the acquired sample", App. E
JITTER = 0.1


def update_function(
    state: State, config: TrainConfig, data: ImageData
) -> Callable[..., Tensor]:
    """Return an E-step and 5 updates as a function of x (M, D), eps (M, J), beta, rows.

    Each image has a chain, `state.chains` (N, J), which goes on from visit to visit;
    `rows` (M,) are the numbers of the images. The function returns reconstruction and
    KL, (2,), summed over the mini-batch: the terms of the bound of our encoder.
    """
    model = state.model
    nats = reconstruction(config.loss, config.sigma)

    def update(x: Tensor, eps: Tensor, beta: float, rows: Tensor) -> Tensor:
        log_joint = log_joint_of(model, nats, x)
        z = state.chains[rows]
        step = jittered(state.step_size, JITTER, z, state.rng)
        z, accept = transition(log_joint, z, step, LEAPFROG_STEPS, state.rng)
        state.chains[rows] = z
        state.step_size = tuned(state.step_size, accept.mean().item(), state.step + 1)

        factor = 1 if config.gradient == "sum" else 1 / len(x)
        for _ in range(WEIGHT_UPDATES):
            state.optimizer.zero_grad()
            # Only theta is in the first term, and only phi in the second.
            terms = log_joint(z) + log_normal(z, *model.encode(x))
            (-terms.sum() * factor).backward()
            state.optimizer.step()

        with torch.no_grad():
            x_hat, mu, logvar = model(x, eps)
            return torch.stack((nats(x_hat, x).sum(), kl_divergence(mu, logvar).sum()))

    return update


def exact_step(model: LinearGaussian, x: Tensor) -> LinearGaussian:
    """Return the linear-Gaussian model after one exact step of EM on x (N, D).

    The E-step gives mean and covariance of p(z|x) at the old model. The M-step solves
    for the W and b that are best on average over them; sigma stays. log p(x) never
    falls.
    """
    mean, covariance = model.posterior(x)
    j = len(covariance)
    z = torch.cat((mean, torch.ones_like(x[:, :1])), 1)  # the column of ones gives b
    second = z.T @ z
    second[:j, :j] += len(x) * covariance
    solved = torch.linalg.solve(second, z.T @ x).T
    return LinearGaussian(solved[:, :j], solved[:, j], model.sigma)


def best_evidence(x: Tensor, latents: int, sigma: float | None = None) -> float:
    r"""Return the largest mean log p(x) of x (N, D) under a linear-Gaussian model.

    It follows from the eigenvalues $\lambda_1 \ge \lambda_2 \ge \dots$ of the
    covariance of x, if the first J = `latents` exceed $\sigma^2$. Without `sigma` that
    is learned: its square is the mean of the others. In nats per x.
    """
    d = x.shape[1]
    eigenvalues = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    first, rest = eigenvalues[:latents], eigenvalues[latents:]
    variance = rest.mean().item() if sigma is None else sigma**2
    log_det = first.log().sum().item() + (d - latents) * math.log(variance)
    return -0.5 * (d * LOG_2PI + log_det + latents + rest.sum().item() / variance)
