"""Checks of the exercises: right answers pass, typical wrong ones are told apart."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from typing import Any

import jupytext
import nbformat
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

import notebooks
from vaelib.bounds import estimator_a, estimator_b
from vaelib.exact import Scalar
from vaelib.exercises import check
from vaelib.exercises.checker import ExerciseError, known, parts_of, verdict
from vaelib.exercises.parts import Part
from vaelib.losses import bce_logits, kl_divergence, mse

NUMBERS = list(known())
CELL = re.compile(r'^check\("([\d.]+)", (.*)\)$', re.M)


def sigmoid(x: Any) -> Tensor:
    """Return the logistic function."""
    return 1 / (1 + torch.exp(-torch.as_tensor(x)))


def total(x_hat: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Return the total of each image, in nats."""
    return bce_logits(x_hat, x) + kl_divergence(mu, logvar)


def pairs(codes: Tensor, n: int, own: bool = False) -> Tensor:
    """Return distances of the first n codes from the others."""
    return torch.cdist(codes[:n], codes if own else codes[n:])


def weights(x: Tensor, z: Tensor, mean: Tensor, std: Tensor, r: float = 1) -> Tensor:
    """Return log p(x, z) - r log r(z) of each coordinate."""
    log_p = Normal(0.0, 1.0).log_prob(z) + Normal(z, 0.5).log_prob(x)
    return log_p - r * Normal(mean, std).log_prob(z)


def spikes(c: Tensor) -> Tensor:
    """Return the inverse of a covariance."""
    return torch.linalg.inv(c)


def level(half: float, ends: bool = True) -> Callable[..., Tensor]:
    """Return -log P of levels whose intervals have a half width."""

    def nats(a: Tensor, x: Tensor, sigma: float) -> Tensor:
        above, below = (torch.special.ndtr((x + s * half - a) / sigma) for s in (1, -1))
        if ends:
            above, below = above.masked_fill(x == 1, 1), below.masked_fill(x == 0, 0)
        return -(above - below).log().sum(-1)

    return nats


def great_circle(a: Tensor, b: Tensor, t: Tensor, divide: bool = True) -> Tensor:
    """Return points of a great circle."""
    w = torch.acos(a @ b / a.norm() / b.norm())
    return ((1 - t) * w).sin() * a / (w.sin() if divide else 1) + (t * w).sin() * b / (
        w.sin() if divide else 1
    )


def kernels(z: Tensor, fitted: Tensor, C: Tensor, h: float) -> Tensor:
    """Return the log density of each kernel at each point."""
    return MultivariateNormal(fitted, h**2 * C).log_prob(z[:, None])


def hermite(scale: float = 0.0, weigh: bool = True) -> Callable[..., Tensor]:
    """Return quadrature of an integral over three latents, with one error."""

    def value(log_joint: Any, mean: Tensor, tril: Tensor) -> Tensor:
        nodes, share = map(torch.tensor, np.polynomial.hermite_e.hermegauss(16))
        eps = torch.cartesian_prod(nodes, nodes, nodes)
        log_share = torch.cartesian_prod(*[share.log()] * 3).sum(1) + scale
        z = mean + torch.einsum("bij,lj->lbi", tril, eps)
        log_q = MultivariateNormal(mean, scale_tril=tril).log_prob(z)
        joint = torch.stack([log_joint(each) for each in z])
        return torch.logsumexp(log_share[:, None] + joint - weigh * log_q, 0)

    return value


def moments(f: Tensor, w: Tensor, axes: str = "iez,e->z") -> tuple[Tensor, Tensor]:
    """Return variance between and within groups of f, with any axis as the group."""
    given = torch.einsum(axes, f, w) / len(f)
    square = torch.einsum(axes, f.square(), w) / len(f)
    return w @ given.square() - (w @ given) ** 2, w @ (square - given.square())


def one_draw(
    model: Any, X: Tensor, eps: Tensor, zeta: Tensor, wrong: str = ""
) -> Tensor:
    """Return the estimate of Exercise 11.3 with an error."""
    mean, variance = model.posterior_theta(X)
    if wrong == "optimum":
        variance = float(model.optimum(X).theta.logvar.exp())
    theta = mean + math.sqrt(variance) * zeta[0, 0]
    shared = mean if wrong == "fixed" else theta
    m, s = model.w * (X - shared) / model.spread, model.sigma / model.spread**0.5
    z = m + s * eps[:, 0]
    joint = Normal(0.0, 1.0).log_prob(z) + Normal(theta + z, 0.5).log_prob(X)
    images = (joint - Normal(m, s).log_prob(z)).sum()
    prior = 0 if wrong == "prior" else Normal(0.0, 1.0).log_prob(theta)
    return images + prior - Normal(mean, math.sqrt(variance)).log_prob(theta)


def shares(log_w: Tensor, axis: int = 0) -> Tensor:
    """Return weights that add up to 1."""
    return torch.exp(log_w - log_w.logsumexp(axis, keepdim=True))


def turning(*angles: float, radius: float = 1.5) -> list[list[float]]:
    """Return points of a circle."""
    return [[radius * math.cos(a), radius * math.sin(a)] for a in angles]


SIXTEEN = [2 * math.pi * k / 16 for k in range(16)]
E_X2 = Scalar(torch.exp, 0.5).log_evidence(2.0)

# For each exercise: which of its answers is wrong, and a part of what is then said.
WRONG: dict[str, list[tuple[str, Any, str]]] = {
    "0.1": [
        ("hardest", lambda *v: total(*v).argsort()[:8], "the eight easiest"),
        ("hardest", lambda a, x, m, v: bce_logits(a, x).topk(8)[1], "reconstruction"),
        ("hardest", lambda a, x, m, v: kl_divergence(m, v).topk(8)[1], "by the KL"),
        ("hardest", lambda *v: total(*v).topk(8)[1].flip(0), "reverse order"),
        ("hardest", lambda *v: total(*v).topk(8)[0], "give the indices"),
        ("hardest", lambda *v: total(*v).argsort(), "the shape (40,)"),
    ],
    "0.2": [
        ("gain", 161.1, "subtract that of the model with 20"),
        ("gain", -56.0, "wrong sign"),
        ("gain", 56 / math.log(2), "in bits"),
        ("gain", 56 / 784, "per pixel"),
    ],
    "0.3": [
        ("accuracy", lambda c, y, n: (y[pairs(c, n, True).argmin(1)] == y[:n]).double()
            .mean(), "with itself"),
        ("accuracy", lambda c, y, n: (y[n:][pairs(c, n).argmax(1)] == y[:n]).double()
            .mean(), "the farthest"),
        ("accuracy", lambda c, y, n: (y[n:][pairs(c, n).argmin(1)] != y[:n]).double()
            .mean(), "the share of the other case"),
        ("accuracy", lambda c, y, n: 100 * (y[n:][pairs(c, n).argmin(1)] == y[:n])
            .double().mean(), "in percent"),
        ("accuracy", lambda c, y, n: y[n:][pairs(c, n).argmin(1)] == y[:n],
            "mean over an axis missing"),
    ],
    "1.1": [
        ("positive", (Scalar(torch.exp, 0.5), 2.0), "the log evidence is -1.7"),
        ("positive", 0.3, "give a pair"),
        ("positive", (torch.exp, 2.0), "should be a Scalar model"),
        ("bits", E_X2, "this is in nats"),
        ("bits", E_X2 * math.log(2), "divide by log 2"),
        ("bits", -E_X2 / math.log(2), "wrong sign"),
        ("bits", math.exp(E_X2), "not its logarithm"),
    ],
    "1.2": [
        ("best_variances", lambda c: c.diag(), "the posterior's own"),
        ("best_variances", lambda c: spikes(c).diag() ** -0.5, "standard deviations"),
        ("best_variances", lambda c: spikes(c).diag(), "take the diagonal and its rec"),
        ("remains", lambda c: 0.5 * (c.logdet() - spikes(c).diag().log().sum()),
            "a tensor (2, 2)) is -"),
        ("remains", lambda c: spikes(c).diag().log().sum() - spikes(c).logdet(),
            "twice as large"),
        ("remains", lambda c: 0.5 * spikes(c).diag().log().sum(), "determinant is mis"),
    ],
    "1.3": [
        ("log_weights", lambda *v: weights(*v, r=0).sum(-1), "is not subtracted"),
        ("log_weights", lambda *v: weights(*v, r=-1).sum(-1), "is added"),
        ("log_weights", lambda x, z, m, s: weights(x, z, m, s.sqrt()).sum(-1),
            "a standard deviation already"),
        ("log_weights", lambda *v: weights(*v).sum(-1).exp(), "not a logarithm yet"),
        ("log_weights", lambda *v: weights(*v).sum(), "do not sum"),
        ("log_weights", lambda *v: weights(*v), "over an axis missing"),
    ],
    "2.1": [
        ("best_mu", 2 / 3, "forgets the prior"),
        ("best_mu", -0.6, "wrong sign"),
        ("best_sigma", 0.1, "this is the variance"),
        ("best_sigma", 10.0, "precision"),
        ("best_sigma", 1 / 3, "likelihood alone"),
        ("best_sigma", 0.5, "which is too large"),
    ],
    "2.2": [
        ("gap_one", -2.8814, "this is the bound"),
        ("gap_one", -2.1693, "this is the log evidence"),
        ("gap_one", 0.7121 / math.log(2), "in bits"),
        ("gap_both", -3.43, "wrong sign"),
        ("gap_both", 4.056, "search over sigma"),
    ],
    "2.3": [
        ("evidence_falls", Scalar(torch.exp, 0.2).log_evidence(2.0), "subtract the o"),
        ("bound_falls", -2.1, "wrong sign"),
        ("bound_falls", 0.05, "fitted again"),
        ("bound_falls", 2.1 / math.log(2), "in bits"),
    ],
    "3.1": [
        ("variance_score", lambda mu: mu**4 + 18 * mu**2 + 15, "the second moment"),
        ("variance_score", lambda mu: 4 * mu**2 + 2, "not of f(z) times the score"),
        ("variance_score", lambda mu: (mu**4 + 14 * mu**2 + 15) ** 0.5, "square root"),
        ("variance_score", lambda mu: mu**4 + 14 * mu**2 + 5, "constant everywhere"),
        ("variance_score", lambda mu: -(mu**4) + 14 * mu**2 + 15, "(0.5) is"),
        ("variance_score", 87.0, "should be a function"),
        ("variance_pathwise", 2.0, "standard deviation"),
        ("variance_pathwise", 20.0, "subtract the square of the mean"),
        ("best_baseline", 5.0, "the mean of f"),
        ("best_baseline", 38.0, "the least variance, not where"),
    ],
    "3.2": [
        ("power_pathwise", 1, "of the standard deviation"),
        ("power_pathwise", -2, "wrong sign"),
        ("power_score", 0, "it does not stay the same"),
        ("power_baseline", -2, "the term that grows"),
    ],
    "3.3": [
        ("gradient_step", 0.0, "never sees the jump"),
        ("gradient_step", Normal(0.0, 1.0).cdf(torch.tensor(1.0)), "this is E[f]"),
        ("gradient_step", -0.242, "wrong sign"),
        ("gamma_draws", lambda u, rate: -u.log().sum(-1) * rate, "is to divide"),
        ("gamma_draws", lambda u, rate: -u.log().mean(-1) / rate, "take their sum"),
        ("gamma_draws", lambda u, rate: u.log().sum(-1) / rate, "too small"),
        ("slope_of_log", lambda rate: 1 / rate, "wrong sign"),
        ("slope_of_log", lambda rate: -3 / rate, "only once"),
        ("slope_of_log", lambda rate: -rate, "the reciprocal"),
    ],
    "4.1": [
        ("variance_of_a", lambda J, L: J / L, "twice as large"),
        ("variance_of_a", lambda J, L: J * L / 2, "L belongs below"),
        ("variance_of_a", lambda J, L: J / (2 * L**2), "not as 1 / L^2"),
        ("variance_of_a", lambda J, L: (J / (2 * L)) ** 0.5, "standard deviation"),
        ("variance_of_a", lambda J: J / 2, "TypeError"),
    ],
    "4.2": [
        ("same_adam", False, "Adam divides"),
        ("same_sgd", True, "a step of SGD"),
        ("times", 1 / 8, "compared with the sum"),
        ("times", 40, "over a mini-batch"),
        ("same_adam", 1.0, "should be True or False"),
    ],
    "4.3": [
        ("landing", estimator_a, "by itself: detach"),
        ("landing", estimator_b, "estimator B"),
        ("landing", lambda *v: estimator_a(*v).mean(), "one number for each image"),
        ("landing", lambda *v: estimator_a(*v).detach(), "RuntimeError"),
    ],
    "5.1": [
        ("cost_of_narrow", 0.5 * (0.1 - 1 - math.log(0.1)), "taken for the variance"),
        ("cost_of_narrow", 2.302585, "-log sigma alone"),
        ("cost_of_narrow", -1.8076, "wrong sign"),
        ("cost_of_narrow", 1.8076 / math.log(2), "in bits"),
        ("same_shift", 1.8076**0.5, "mu^2 / 2"),
        ("same_shift", 3.6152, "take its root"),
    ],
    "5.2": [
        ("full_kl", lambda m, s: 0.5 * (s.trace() + m @ m - s.logdet()), "of latents"),
        ("full_kl", lambda m, s: 0.5 * (s.trace() + m @ m - len(m) + s.logdet()),
            "the wrong sign"),
        ("full_kl", lambda m, s: kl_divergence(m, s.diag().log()), "variances alone"),
        ("full_kl", lambda m, s: 0.5 * (s.trace() - len(m) - s.logdet()), "mu is miss"),
        ("full_kl", lambda m, s: s.trace() + m @ m - len(m) - s.logdet(), "twice"),
        ("extra", lambda R: 0.5 * R.logdet(), "wrong sign"),
        ("extra", lambda R: -0.5 * R.det(), "the determinant"),
    ],
    "5.3": [
        ("given_away", 101.0, "an NLL"),
        ("given_away", -4.6, "from that by one, which is larger"),
        ("given_away", 0.006, "per pixel"),
        ("found_by_ten", 98.0, "subtract it from"),
    ],
    "6.1": [
        ("beta_in_nats", 0.001, "as it is written"),
        ("beta_in_nats", 0.392, "counts once"),
        ("beta_in_nats", 784, "the number of pixels"),
        ("plain_sigma", 0.392, "sigma^2."),
        ("plain_sigma", 0.784**0.5, "over 2 sigma^2"),
    ],
    "6.2": [
        ("best_sigma", lambda a, x: (a - x).pow(2).mean(), "this is the variance"),
        ("best_sigma", lambda a, x: (a - x).abs().mean(), "absolute"),
        ("best_sigma", lambda a, x: (a - x).pow(2).mean(1).sqrt(), "over them too"),
        ("least_loss", lambda a, x: mse(a, x, (a - x).pow(2).mean().sqrt().item()),
            "over an axis missing"),
        ("least_loss", lambda a, x: 0.5 * (1 + math.log(2 * math.pi) + (a - x).pow(2)
            .mean().log()), "for one pixel"),
        ("least_loss", lambda a, x: x.shape[1] / 2 * (math.log(2 * math.pi)
            + (a - x).pow(2).mean().log()), "adds D/2"),
    ],
    "6.3": [
        ("integral", lambda y: (1 - 2 * y) / math.log(y / (1 - y)), "has a positive"),
        ("integral", lambda y: math.log(y / (1 - y)) / (2 * y - 1), "the reciprocal"),
        ("integral", lambda y: math.log((2 * y - 1) / math.log(y / (1 - y))),
            "is the logarithm"),
        ("correction", 792.137, "the other way"),
        ("correction", -1.01037, "for one pixel"),
        ("is_density", False, "no single x has a probability"),
        ("mean_of_x", 0.1, "the mean has moved"),
        ("mean_of_x", -0.4, "not a probability"),
    ],
    "6.4": [
        ("level_nats", level(1 / 510, False), "no end on their outer side"),
        ("level_nats", level(1 / 255), "half a level"),
        ("level_nats", mse, "without the width"),
        ("level_nats", lambda *v: -level(1 / 510)(*v), "its sign is wrong"),
        ("level_nats", lambda a, x, s: level(1 / 510)(a[..., None], x[..., None], s),
            "over an axis missing"),
        ("bits", lambda n, D: n / D, "divide by log 2."),
        ("bits", lambda n, D: n / math.log(2), "bits of the image"),
        ("bits", lambda n, D: n * math.log(2) / D, "from nats to bits"),
    ],
    "7.1": [
        ("silent_from", lambda e, s: e[:5] / s, "not by its square"),
        ("silent_from", lambda e, s: e[:5] * s**2, "a smaller beta"),
        ("silent_from", lambda e, s: e[:5] / (2 * s**2), "without a 2"),
        ("silent_from", lambda e, s: e / s**2, "has the shape (7,)"),
        ("silent_from", lambda e, s: e[:5].flip(0) / s**2, "reverse order"),
    ],
    "7.2": [
        ("slope", lambda beta: beta, "the sign is wrong"),
        ("slope", lambda beta: -1 / beta, "turn it round"),
        ("slope", lambda beta: -beta / 4, "divide by sigma^2"),
        ("slope", lambda beta: -beta - 1, "same constant"),
        ("slope", lambda beta: -3 * beta, "same factor"),
    ],
    "7.3": [
        ("free_bits", lambda kl, a: kl.clamp(min=a).mean(0).sum(), "comes first here"),
        ("free_bits", lambda kl, a: kl.mean(1).clamp(min=a).sum(), "axis 0"),
        ("free_bits", lambda kl, a: kl.mean(0).clamp(max=a).sum(), "the minimum"),
        ("free_bits", lambda kl, a: kl.sum(0).clamp(min=a).sum(), "over the images"),
        ("free_bits", lambda kl, a: kl.mean(0).clamp(min=a), "a single number"),
    ],
    "8.1": [
        ("mass", 1 - 0.966105 / 0.997300, "for one axis"),
        ("mass", 0.9384, "the other case"),
        ("mass", 6.16, "in percent"),
        ("mass", 1 - 0.966105**2, "the whole square"),
        ("mass", 1.7, "not a probability"),
    ],
    "8.2": [
        ("slerp", torch.lerp, "the straight line"),
        ("slerp", lambda a, b, t: great_circle(b, a, t), "from end to start"),
        ("slerp", lambda a, b, t: great_circle(a, b, t, False), "divide by sin omega"),
        ("slerp", lambda a, b, t: great_circle(a, b, t).T, "it is transposed"),
    ],
    "8.3": [
        ("lining_up", lambda c, z: aligned(c, z)[0].T, "it is transposed"),
        ("lining_up", lambda c, z: aligned(c, z)[1], "which also stretches"),
        ("lining_up", lambda c, z: -aligned(c, z)[0], "wrong sign"),
        ("lining_up", lambda c, z: torch.linalg.svd(aligned(c, z)[1])[0], "U alone"),
    ],
    "8.4": [
        ("mean_x2", -0.5, "if x_1 is not known"),
        ("mean_x2", 0.745, "from its own mean"),
        ("variance_x2", 1.34, "of x_2 if x_1 is not known"),
        ("variance_x2", 0.25, "the noise alone"),
        ("variance_x2", -0.7, "wrong sign"),
    ],
    "9.1": [
        ("width", 1.0, "the prior"),
        ("width", 0.1, "this is the variance"),
        ("width", 0.2425, "takes f for a line"),
        ("width_without", 0.25, "nothing of it is left"),
    ],
    "9.2": [
        ("rest_t", 2**0.5, "no room for the noise"),
        ("rest_t", 1.75, "t^2"),
        ("rest_t", 0.8, "where it began"),
        ("rest_v", 0.3, "of Section 9.4"),
        ("rest_v", 0.125**0.5, "a variance"),
    ],
    "9.3": [
        ("chance_of_one", lambda x, t, s: 2 * t * x / s**2, "which is no probability"),
        ("chance_of_one", lambda x, t, s: sigmoid(t * x / s**2), "factor 2 is lost"),
        ("chance_of_one", lambda x, t, s: sigmoid(2 * t * x / s), "by its square"),
        ("chance_of_one", lambda x, t, s: sigmoid(-2 * t * x / s**2), "other case"),
        ("slope", 3.2, "the square of s"),
        ("slope", 1.6, "of its logit"),
    ],
    "9.4": [
        ("images_for", lambda g, n, b: np.interp(g, b, n), "not on a plain one"),
        ("images_for", lambda g, n, b: np.interp(g, b, n.log()), "the logarithm"),
        ("images_for", lambda g, n, b: n[b >= g][0], "the next point"),
        ("images_for", lambda g, n, b: 2 * np.exp(np.interp(g, b, n.log())), "twice"),
    ],
    "10.1": [
        ("log_kernel", lambda *v: kernels(*v).logsumexp(1), "their mean is asked"),
        ("log_kernel", lambda *v: kernels(*v).mean(1), "a mean of logarithms"),
        ("log_kernel", lambda z, f, C, h: (kernels(z, f, C, h**0.5).logsumexp(1)
            - math.log(len(f))), "multiplied by h^2"),
        ("log_kernel", kernels, "over an axis missing"),
        ("largest_h", 2.0, "this is h^2"),
        ("largest_h", 1.0, "a little more"),
    ],
    "10.2": [
        ("keeps_volume", False, "a shear"),
        ("is_reversible", True, "go back"),
        ("variance_after", 1.0, "what a correct chain samples"),
        ("variance_after", -1.0, "which is too small"),
    ],
    "10.3": [
        ("distances", [-0.0003, -0.003, -0.006], "above the summit"),
        ("distances", [0.006, 0.003, 0.0003], "is the order"),
        ("distances", [0.06, 0.6, 1.2], "average over the observations"),
        ("distances", [0.003, 0.003], "give three numbers"),
        ("distances", [0.003, 0.003, 0.003], "does the step change"),
    ],
    "10.4": [
        ("by_quadrature", hermite(-1.5 * math.log(2 * math.pi), False), "divided by"),
        ("by_quadrature", hermite(0), "add up to sqrt(2 pi)"),
        ("by_quadrature", hermite(-1.0), "same constant"),
        ("by_quadrature", lambda *v: hermite(-1.5 * math.log(2 * math.pi))(*v).exp(),
            "not a logarithm yet"),
    ],
    "11.1": [
        ("split", lambda f, w: moments(f, w, "ize,e->z"), "are exchanged"),
        ("split", lambda f, w: moments(f, w)[::-1], "reverse order"),
        ("split", lambda f, w: moments(f, 0 * w + 1 / len(w)), "are not used"),
        ("split", lambda f, w: torch.stack(moments(f, w)).sqrt(), "square root"),
        ("split", lambda f, w: sum(moments(f, w)), "the shape (2,)"),
    ],
    "11.2": [
        ("program_mean", 0.611, "mean of X"),
        ("program_mean", -0.272, "wrong sign"),
        ("program_variance", 1 / 21, "the prior counts N times"),
        ("program_variance", 0.2**0.5, "standard deviation"),
        ("program_variance", 5.0, "the reciprocal"),
    ],
    "11.3": [
        ("estimate", lambda *v: one_draw(*v, wrong="optimum"), "not the exact"),
        ("estimate", lambda *v: one_draw(*v, wrong="prior"), "log p(theta) is missing"),
        ("estimate", lambda *v: one_draw(*v, wrong="fixed"), "follow the theta"),
        ("estimate", lambda *v: -one_draw(*v), "wrong sign"),
    ],
    "11.4": [
        ("local", lambda a, m, v, n: a @ m + (a**2 @ v.exp()) * n, "take its root"),
        ("local", lambda a, m, v, n: a @ m + a @ (v / 2).exp() * n, "variances do"),
        ("local", lambda a, m, v, n: a @ m + (a**2 @ v.exp()) ** 0.5 * n[0], "[1, 0]"),
        ("local", lambda a, m, v, n: (a**2 @ v.exp()) ** 0.5 * n, "the mean a @ mu"),
        ("gain", 1 / 21, "turn the ratio round"),
        ("gain", 4.6, "that of variances"),
        ("gain", 50, "the number of images"),
    ],
    "12.1": [
        ("limit", 0.2528, "the logarithm bends"),
        ("limit", 0.6264, "the second moment"),
        ("limit", -0.1264, "wrong sign"),
        ("limit", 0.2528**0.5, "standard deviation"),
    ],
    "12.2": [
        ("off_elbo", 0.78, "wrong sign"),
        ("off_elbo", -0.78 / 5, "not how far the mean is off"),
        ("off_elbo", 1.318, "standard deviation of the average"),
        ("off_iwae", 0.0, "though the mean of the weights"),
    ],
    "12.3": [
        ("left_out", lambda v, s: (shares(v) * s).sum(0), "estimate of stl itself"),
        ("left_out", lambda v, s: (shares(v) ** 2 * s).sum(0), "estimate of dreg"),
        ("left_out", lambda v, s: (shares(v) ** 2 * s - shares(v) * s).sum(0),
            "stl minus dreg"),
        ("left_out", lambda v, s: (shares(v) * (1 - shares(v)) * s).mean(0), "so sum"),
        ("left_out", lambda v, s: (v.exp() * (1 - v.exp()) * s).sum(0), "not normal"),
    ],
    "13.1": [
        ("most", 0.25, "for one latent"),
        ("most", 1.0, "how low can a KL be"),
        ("most", 0.0, "above the floor"),
        ("most", -2.0, "wrong sign"),
    ],
    "13.2": [
        ("each_mean", 1.5, "its square"),
        ("each_mean", 0.866, "a factor 1/2"),
        ("each_mean", 5.477, "twenty share"),
    ],
    "13.3": [
        ("rate_together", -8.39, "the other eigenvalue"),
        ("rate_together", 0.477, "variance of the likelihood"),
        ("rate_together", -6.0, "the trace"),
        ("rate_caught_up", 4.0, "variance of the likelihood"),
        ("rate_caught_up", 25.0, "the term of w itself"),
        ("rate_caught_up", 5.0, "put it into that of w"),
    ],
    "14.1": [
        ("of_convolution", 1536, "biases are missing"),
        ("of_convolution", 544, "all three"),
        ("of_convolution", 896, "not 3 x 3"),
        ("of_dense_layer", 25_165_824, "biases are missing"),
        ("of_dense_layer", 8_396_800, "three channels"),
        ("of_dense_layer", 786_688, "32 channels come out"),
    ],
    "14.2": [
        ("bits_of_bound", 2.376, "a bit is log 2 nats"),
        ("bits_of_bound", 10.285, "all three channels"),
        ("bits_of_bound", 10_531.7, "whole image"),
        ("nats_of_target", 13_854.7, "a bit is log 2 nats"),
        ("nats_of_target", 19_988.1, "takes a factor"),
        ("nats_of_target", 3201.1, "three channels"),
    ],
    "14.3": [
        ("bits_of_density", -1.409, "levels are missing"),
        ("bits_of_density", -9.403, "not 255"),
        ("bits_of_density", 9.403, "not less"),
    ],
    "15.1": [
        ("speaking_at", [0, 5, 18, 20], "they rise"),
        ("speaking_at", [20, 18, 5], "give four counts"),
        ("speaking_at", [1.3, 0.9, 0.2, 0.01], "these are not counts"),
        ("speaking_at", [20, 18, 5, 4], "some still speak"),
        ("speaking_at", [120, 110, 30, 0], "between 0 and 20"),
    ],
    "15.2": [
        ("kl_constant", 25.0, "of a small beta"),
        ("kl_constant", 0.73 / 20, "sum them"),
        ("kl_linear", 205.0, "the whole loss"),
        ("kl_linear", -1.2, "wrong sign"),
    ],
    "15.3": [
        ("circle", turning(*np.linspace(0, 2 * math.pi, 16)), "the first one again"),
        ("circle", turning(*SIXTEEN, radius=1), "the radius is 1"),
        ("circle", turning(*[-a for a in SIXTEEN]), "clockwise"),
        ("circle", torch.tensor(turning(*SIXTEEN)).T, "it is transposed"),
        ("circle", turning(*[math.degrees(a) for a in SIXTEEN]), "not in degrees"),
    ],
    "16.1": [
        ("to_know", lambda spread: 2 * spread, "with the root of n"),
        ("to_know", lambda spread: spread**2, "t counts too"),
        ("to_show", lambda spread: (2 * spread) ** 2, "half of the studies"),
        ("to_show", lambda spread: (0.84 * spread) ** 2, "exclude 0"),
    ],
    "16.2": [
        ("active_units", lambda mu, t: int((mu.var(0) < t).sum()), "the silent units"),
        ("active_units", lambda mu, t: int((mu.var(1) > t).sum()), "axis 0"),
        ("active_units", lambda mu, t: int((mu.std(0) > t).sum()), "for a variance"),
        ("active_units", lambda mu, t: (mu.var(0) > t).double().mean(), "a share"),
        ("active_units", lambda mu, t: mu.var(0) > t, "over an axis missing"),
    ],
    "16.3": [
        ("units_tell", True, "tell apart"),
        ("rate_tells", False, "compare the mean rates"),
        ("rate_gain", -2.2, "from that of the cyclic"),
        ("rate_gain", 22.3, "this is a rate"),
        ("rate_gain", 0.0, "of active units"),
    ],
}  # fmt: skip


def aligned(causes: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Return U V' and the covariance of causes and latents."""
    covariance = torch.cov(torch.cat((causes, z), 1).T)[:2, 2:] * (len(z) - 1)
    U, _, V = torch.svd(covariance)
    return U @ V.T, covariance


def answers(exercise: str, **other: Any) -> list[Any]:
    """Return the right answers to an exercise, with others for some names."""
    parts = parts_of(exercise)
    assert set(other) <= {part.name for part in parts}
    return [other.get(part.name, part.right) for part in parts]


@pytest.mark.parametrize("exercise", NUMBERS)
def test_right_answers_pass_and_say_how_exact_they_must_be(exercise: str):
    said = verdict(exercise, *answers(exercise))
    assert re.fullmatch(rf"{exercise}: right \(.+\)\.", said)


@pytest.mark.parametrize("exercise", NUMBERS)
def test_typical_wrong_answers_are_told_apart(exercise: str):
    said = []
    for name, wrong, words in WRONG[exercise]:
        said.append(verdict(exercise, *answers(exercise, **{name: wrong})))
        assert said[-1].startswith(f"{exercise}: {name}"), said[-1]
        assert words in said[-1], said[-1]
    assert len(set(said)) == len(said) >= 3


@pytest.mark.parametrize("exercise", NUMBERS)
def test_an_error_is_explained_by_its_own_sentence(exercise: str):
    for part in parts_of(exercise):
        for sentence, error in part.errors.items():
            said = verdict(exercise, *answers(exercise, **{part.name: error}))
            assert said == f"{exercise}: {part.name}: {sentence}"


@pytest.mark.parametrize("exercise", NUMBERS)
def test_a_sentence_does_not_give_the_answer_away(exercise: str):
    """Whatever is said of a wrong number, the right one is not in it."""
    for part in parts_of(exercise):
        if part.at or part.judge or isinstance(part.right, bool):
            continue
        for wrong in (1234.5, -0.0123):
            said = verdict(exercise, *answers(exercise, **{part.name: wrong}))
            known_number = torch.as_tensor(part.right).double().flatten()
            found = re.sub(rf"^{exercise}: \S+|\(within .*", "", said)
            numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", found)]
            assert not any(abs(n - r) < 1e-3 for n in numbers for r in known_number)


@pytest.mark.parametrize("exercise", NUMBERS)
def test_three_dots_are_no_answer_yet(exercise: str):
    dots = [(lambda *_: ...) if part.at else ... for part in parts_of(exercise)]
    expected = f"{exercise}: replace the dots by your answer, then run this cell again."
    assert verdict(exercise, *dots) == expected


def test_a_part_of_the_answers_can_be_checked(capsys: pytest.CaptureFixture[str]):
    check("2.1", 0.6, ...)
    check("2.1", 0.7, ...)
    assert capsys.readouterr().out.splitlines() == [
        "2.1: right so far (best_mu); missing: best_sigma.",
        "2.1: best_mu is 0.7, which is too large (within 0.001).",
    ]


def test_exchanged_answers_are_noticed():
    parts = parts_of("2.1")
    mu, sigma = (part.right for part in parts)
    said = "2.1: best_mu has the value of best_sigma: the two are exchanged."
    assert verdict("2.1", sigma, mu) == said


def test_an_unknown_exercise_and_a_wrong_number_of_answers_are_refused():
    listed = ", ".join(NUMBERS)
    said = f"there is no exercise '3.9' with a check; there are {listed}."
    with pytest.raises(ExerciseError, match=re.escape(said)):
        check("3.9", 1)
    with pytest.raises(
        ExerciseError, match=r'asks for 2, not 1, answers: check\("2.1"'
    ):
        check("2.1", 0.6)


SQUARE = Part("f", lambda x: x**2, [(torch.tensor(2.0),), (torch.tensor(3.0),)])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: 1, "(2) raises an error: TypeError"),
        (lambda x, y: 1, "(2) raises an error: TypeError"),
        (lambda x: None, "(2) returns nothing"),
        (lambda x: "four", "(2) is a str, not a number"),
        (lambda x: x * math.nan, "(2) contains nan"),
        (lambda x: x**2 if x < 3 else x, "(3) is 3, which is too small (exact)."),
        (lambda x: [x, x], "(2) has the shape (2,), but a single number is asked for"),
        (4.0, " should be a function, but is a float."),
        (None, " should be a function, but is a NoneType."),
    ],
)
def test_what_is_wrong_with_a_function(answer: Any, said: str):
    assert SQUARE.wrong(answer).startswith(said)


def test_a_function_cannot_change_its_arguments():
    part = Part("f", lambda x: 2 * x, [(torch.ones(2),)])
    assert part.wrong(lambda x: x.mul_(2)) == ""
    assert part.wrong(lambda x: 2 * x) == ""


@pytest.mark.parametrize(
    "answer", [2.0, 2, torch.tensor(2.0), np.float32(2), [2.0], torch.full((1, 1), 2)]
)
def test_all_kinds_of_numbers_are_taken(answer: Any):
    assert Part("n", 2.0).wrong(answer) == ""


def exercises_of(name: str) -> dict[str, dict[str, list[Any]]]:
    """Return the cells of each exercise of a notebook with outputs, by their tags."""
    found: dict[str, dict[str, list[Any]]] = {}
    cells = nbformat.read(notebooks.FOLDER / f"{name}.ipynb", as_version=4).cells
    for cell in cells:
        for number in re.findall(r"^### Exercise ([\d.]+)$", cell.source, re.M):
            found[number] = {}
        for tag in cell.metadata.get("tags", []) if found else []:
            found[list(found)[-1]].setdefault(tag, []).append(cell)
    return found


CHAPTERS = [name for name in notebooks.names() if name[0].isdigit()]


def test_every_exercise_of_the_notebooks_has_a_check_and_the_other_way_round():
    asked = [number for name in CHAPTERS for number in exercises_of(name)]
    assert asked == NUMBERS
    assert list(WRONG) == NUMBERS


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_answer_cell_asks_and_the_solution_is_right(name: str):
    """The names in the cell are those of the check, and stand in the text."""
    text = jupytext.writes(jupytext.read(notebooks.FOLDER / f"{name}.md"), fmt="md")
    for number, cells in exercises_of(name).items():
        [cell] = cells["exercise"]
        names = [part.name for part in parts_of(number)]
        assert CELL.findall(cell.source) == [(number, ", ".join(names))]
        assert cell.outputs[0].text == verdict(number, *[...] * len(names)) + "\n"
        asked = text.partition(f"### Exercise {number}\n")[2].partition("```")[0]
        for part in parts_of(number):
            assert f"`{part.name}{'(' if part.at else '`'}" in asked, part.name
        printed = [o.get("text", "") for c in cells["solution"] for o in c.outputs]
        right = verdict(number, *answers(number))
        assert f"\n{''.join(printed)}".count(f"\n{right}\n") == 1


def names_made(cell: Any) -> set[str]:
    """Return the names that a cell assigns or defines."""
    nodes = ast.walk(ast.parse(cell.source))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {
        node.id if isinstance(node, ast.Name) else node.name
        for node in nodes
        if isinstance(node, kinds)
        or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    }


@pytest.mark.parametrize("name", CHAPTERS)
def test_an_answer_replaces_no_name_of_the_chapter(name: str):
    cells = nbformat.read(notebooks.FOLDER / f"{name}.ipynb", as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    tags = [cell.metadata.get("tags", []) for cell in code]
    given = [c for c, t in zip(code, tags, strict=True) if "exercise" in t]
    others = [c for c, t in zip(code, tags, strict=True)
              if not {"exercise", "solution"} & set(t)]  # fmt: skip
    asked = set[str]().union(*map(names_made, given))
    assert not asked & set[str]().union(*map(names_made, others))
