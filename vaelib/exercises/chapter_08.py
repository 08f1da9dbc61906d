"""What the exercises of Chapter 8 ask for."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from vaelib.exercises.parts import Part, noise


def exercise_1() -> list[Part]:
    """Return the share of the mass in the outer half of a square."""
    middle, square = (math.erf(end / math.sqrt(2)) for end in (3 / math.sqrt(2), 3))
    errors = {
        "this is for one axis: a picture is outside if either is.": 1 - middle / square,
        "divide by the mass of the whole square.": 1 - middle**2,
        "this is the share of the area.": 0.5,
        "this counts pictures far out on both axes: one is enough.":
            (1 - middle / square) ** 2,
    }  # fmt: skip
    right = 1 - (middle / square) ** 2
    return [Part("mass", right, tol=5e-4, share=True, errors=errors)]


def exercise_2() -> list[Part]:
    """Return points of a great circle."""

    def slerp(start: Tensor, end: Tensor, t: Tensor, unit: bool = True) -> Tensor:
        cosine = torch.dot(start, end) / (start.norm() * end.norm())
        omega = torch.acos(cosine)
        points = torch.sin((1 - t) * omega) * start + torch.sin(t * omega) * end
        return points / torch.sin(omega) if unit else points

    errors = {
        "this is the straight line.": torch.lerp,
        "this walks from end to start.": lambda a, b, t: slerp(b, a, t),
        "divide by sin omega.": lambda a, b, t: slerp(a, b, t, unit=False),
        "the length of the straight line is kept; its steps are not of equal angle.":
            lambda a, b, t: a.norm() * torch.nn.functional.normalize(
                torch.lerp(a, b, t), dim=-1),
    }  # fmt: skip
    t = torch.linspace(0, 1, 7).double()[:, None]
    a, b = noise(1, 4), noise(2, 4)
    at = [(a, b, t), (a / a.norm() * 3, b / b.norm() * 3, t)]
    return [Part("slerp", slerp, at, rel=1e-5, tol=1e-6, errors=errors)]


def exercise_3() -> list[Part]:
    """Return the orthogonal matrix that lines latents up with causes."""

    def parts(causes: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        covariance = (causes - causes.mean(0)).T @ (z - z.mean(0))
        left, size, right = torch.linalg.svd(covariance)
        return left, size, right, covariance

    def rotation(causes: Tensor, z: Tensor) -> Tensor:
        left, _, right, _ = parts(causes, z)
        return left @ right

    errors = {
        "it is transposed: R takes latents to causes.":
            lambda causes, z: rotation(causes, z).T,
        "this is the covariance, which also stretches: it is not orthogonal.":
            lambda causes, z: parts(causes, z)[3],
        "this is U alone.": lambda causes, z: parts(causes, z)[0],
        "this is the least-squares fit, which is not orthogonal.":
            lambda causes, z: torch.linalg.lstsq(
                z - z.mean(0), causes - causes.mean(0)).solution.T,
    }  # fmt: skip
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]]).double()
    causes = noise(1, 50, 2) * torch.tensor([1.0, 2.0]) + 3
    at = [(causes, causes @ turn + 0.3 * noise(2, 50, 2))]
    return [Part("lining_up", rotation, at, tol=1e-6, errors=errors)]


def exercise_4() -> list[Part]:
    """Return mean and variance of x_2, given x_1 = 2.5, in a linear-Gaussian model."""
    W = torch.tensor([[1.2, 0.8], [0.3, 1.0]]).double()
    b = torch.tensor([1.0, -0.5]).double()
    total = W @ W.T + 0.25 * torch.eye(2)
    # The density of x along x_1 = 2.5, on a grid, gives both.
    x2 = torch.linspace(-9, 9, 4001).double()
    points = torch.stack((torch.full_like(x2, 2.5), x2), 1)
    density = MultivariateNormal(b, total).log_prob(points).exp()
    density = density / density.sum()
    mean = (density * x2).sum().item()
    variance = (density * (x2 - mean) ** 2).sum().item()
    of_mean = {
        "this is the mean of x_2 if x_1 is not known.": b[1].item(),
        "x_1 counts by its distance from its own mean.": mean
        + (total[0, 1] / total[0, 0] * b[0]).item(),
        "this regresses on x_1 without the noise s^2 in its variance.": (
            b[1] + (W @ W.T)[0, 1] / (W @ W.T)[0, 0] * (2.5 - b[0])
        ).item(),
    }
    of_variance = {
        "this is the variance of x_2 if x_1 is not known.": total[1, 1].item(),
        "this is the standard deviation.": math.sqrt(variance),
        "this is without the noise s^2 of x_2: the pixel is drawn, too.":
            variance - 0.25,
        "this is the noise alone: z is not known exactly either.": 0.25,
    }  # fmt: skip
    return [
        Part("mean_x2", mean, tol=0.08, errors=of_mean),
        Part("variance_x2", variance, tol=0.08, errors=of_variance),
    ]
