"""Hamiltonian Monte Carlo: draws from p(z|x), known up to a constant, App. D and E.

The potential energy of z is U(z) = -log p(x, z). A momentum p ~ N(0, I) gives z a push,
and H = U(z) + `|p|^2 / 2` is the total energy. All images are moved at once: z is
(B, J), and each row is a chain of its own, accepted or rejected alone.

Sources: Duane et al. 1987; Neal 2011 (arXiv:1206.1901).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vaelib.bounds import Nats, log_normal
from vaelib.model import VAE

LogJoint = Callable[[Tensor], Tensor]  # z (B, J) -> log p(x, z) of each row, (B,)
Step = float | Tensor  # one step size, or one for each chain, (B, 1)

TARGET = 0.9  # acceptance that the step size is tuned to, App. E


def log_joint_of(model: VAE, nats: Nats, x: Tensor) -> LogJoint:
    """Return log p(z) + log p(x|z) as a function of z (B, J), for images x (B, D).

    `nats` is the reconstruction term, -log p(x|z). The function returns nats, (B,).
    """
    return lambda z: log_normal(z) - nats(model.decode(z), x)


@torch.enable_grad()  # also where the caller has switched gradients off
def gradient(log_joint: LogJoint, z: Tensor) -> Tensor:
    """Return the gradient of log p(x, z) with respect to z, (B, J): minus that of U."""
    z = z.detach().requires_grad_()
    return torch.autograd.grad(log_joint(z).sum(), z)[0]


def leapfrog(
    log_joint: LogJoint, z: Tensor, momentum: Tensor, step: Step, n: int
) -> tuple[Tensor, Tensor]:
    """Return z and momentum, (B, J), after `n` leapfrog steps of size `step`.

    The first and the last change of the momentum are half ones. The map is reversible
    and keeps volume, so that H alone decides what is accepted.
    """
    momentum = momentum + step / 2 * gradient(log_joint, z)
    for i in range(1, n + 1):
        z = z + step * momentum
        share = 1 if i < n else 0.5
        momentum = momentum + share * step * gradient(log_joint, z)
    return z, momentum


@torch.no_grad()
def energy(log_joint: LogJoint, z: Tensor, momentum: Tensor) -> Tensor:
    """Return the energy H = -log p(x, z) + `|p|^2 / 2` of each row, (B,), in nats."""
    return momentum.square().sum(-1) / 2 - log_joint(z)


def transition(
    log_joint: LogJoint, z: Tensor, step: Step, n: int, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return the next z (B, J), and each proposal's chance to be accepted, (B,).

    A proposal is `n` leapfrog steps from z with a new momentum. It is accepted with
    probability min(1, exp(H - H')), which leaves p(z|x) as it is. `rng` is on the CPU.
    """
    momentum = random_like(torch.randn, z.shape, z, rng)
    proposal, end = leapfrog(log_joint, z, momentum, step, n)
    change = energy(log_joint, proposal, end) - energy(log_joint, z, momentum)
    # A step that is far too large can end at an infinite energy, or at none.
    accept = torch.exp(-change).clamp(max=1).nan_to_num(0.0)
    accepted = random_like(torch.rand, accept.shape, z, rng) < accept
    return torch.where(accepted[:, None], proposal, z), accept


def random_like(
    draw: Callable[..., Tensor], shape: torch.Size, like: Tensor, rng: torch.Generator
) -> Tensor:
    """Return random numbers of torch.rand or torch.randn, drawn on the CPU.

    They have the device and the number type of `like`.
    """
    return draw(shape, generator=rng, dtype=like.dtype, device="cpu").to(like.device)


def jittered(step: Step, jitter: float, z: Tensor, rng: torch.Generator) -> Tensor:
    """Return a step size for each chain, (B, 1), within a share `jitter` of `step`.

    With one step size for ever, a trajectory can close on itself and never move.
    """
    u = random_like(torch.rand, z[:, :1].shape, z, rng)
    return step * (1 + jitter * (2 * u - 1))


def tuned(step: float, accept: float, t: int) -> float:
    """Return the step size after transition `t` = 1, 2, ..., for 90 % acceptance.

    Its logarithm changes by t^-0.6 (a_t - 0.9), where a_t is the mean acceptance. The
    changes fade, so that the step size converges.
    """
    return step * math.exp(t**-0.6 * (accept - TARGET))


def warm_up(
    log_joint: LogJoint,
    z: Tensor,
    rng: torch.Generator,
    transitions: int,
    n: int = 10,
    step: float = 0.1,
    jitter: float = 0.1,
) -> tuple[Tensor, float]:
    """Return z (B, J) after `transitions` from z, and the step size tuned on the way.

    The step size is common to all chains, and tuned to a mean acceptance of 90 %. Draws
    made during the tuning are thrown away, since it disturbs the chain.
    """
    for t in range(1, transitions + 1):
        each = jittered(step, jitter, z, rng)
        z, accept = transition(log_joint, z, each, n, rng)
        step = tuned(step, accept.mean().item(), t)
    return z, step


def warm_up_each(
    log_joint: LogJoint, z: Tensor, rng: torch.Generator, transitions: int, n: int = 10
) -> tuple[Tensor, Tensor]:
    """Return z (B, J) as `warm_up` does, and a step size for each chain, (B, 1).

    Posteriors that are much narrower than others refuse nearly all steps of a common
    size, and their chains stay where they are.
    """
    step = torch.full_like(z[:, :1], 0.1)
    for t in range(1, transitions + 1):
        each = jittered(step, 0.1, z, rng)
        z, accept = transition(log_joint, z, each, n, rng)
        step = step * torch.exp(t**-0.6 * (accept[:, None] - TARGET))  # as `tuned`
    return z, step


def sample(
    log_joint: LogJoint,
    z: Tensor,
    rng: torch.Generator,
    draws: int,
    step: Step,
    n: int = 10,
    jitter: float = 0.1,
    thin: int = 1,
) -> tuple[Tensor, Tensor]:
    """Return `draws` (L, B, J) of the chains that continue from z (B, J).

    Every `thin`-th state is kept. The second result is the mean acceptance of each
    chain, (B,).
    """
    kept, accepts = [], []
    for _ in range(draws):
        for _ in range(thin):
            each = jittered(step, jitter, z, rng)
            z, accept = transition(log_joint, z, each, n, rng)
            accepts.append(accept)
        kept.append(z)
    return torch.stack(kept), torch.stack(accepts).mean(0)


def exact_acceptance(step: float, n: int) -> float:
    r"""Return the mean acceptance of `n` leapfrog steps on N(0, 1), at equilibrium.

    There the steps are a matrix, and s is its largest singular value. The acceptance is
    $\frac{4}{\pi} \arctan \frac{1}{s}$, because it is twice the probability that H
    falls, and the ratio of two squared normal coordinates has a known distribution.
    """
    one, side = 1 - step**2 / 2, -step * (1 - step**2 / 4)
    matrix = torch.tensor([[one, step], [side, one]], dtype=torch.float64, device="cpu")
    s = torch.linalg.matrix_norm(torch.linalg.matrix_power(matrix, n), 2).item()
    return 4 / math.pi * math.atan(1 / s)


def autocorrelation(draws: Tensor, lags: int) -> Tensor:
    """Return the correlation of draws (L, ...) that are 0, ..., `lags` apart.

    The result is (lags + 1, ...). High acceptance is no proof that a chain moves: this
    is. Chains that never move give nan.
    """
    centred = draws - draws.mean(0)
    pairs = [centred[lag:] * centred[: len(draws) - lag] for lag in range(lags + 1)]
    covariance = torch.stack([pair.sum(0) for pair in pairs])
    return covariance / covariance[0]


def effective_draws(draws: Tensor) -> Tensor:
    """Return how many independent draws are worth as much as `draws` (L, ...): (...).

    L / (1 + 2 sum of the autocorrelations), up to the first that is not positive, and
    at most L.
    """
    rho = autocorrelation(draws, len(draws) // 2)[1:]
    positive = (rho > 0).cumprod(0)
    return len(draws) / (1 + 2 * (rho * positive).sum(0))
