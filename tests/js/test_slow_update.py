"""engine/slow_update.js: the updates of vaelib.training, and torch's derivatives."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from page_data import IMAGES, for_page, random_images, settings_of
from torch import Tensor

from vaelib import start
from vaelib.losses import bce, kl_divergence
from vaelib.model import VAE
from vaelib.state import State
from vaelib.training import updates
from vaelib.widgets.slow_motion import CONFIG

UPDATES = 3
RUN = f"""
    {IMAGES}
    const {{ settings, data, wasm }} = given;
    const slow = new engine.SlowUpdate(settings, imagesOf(data), wasm);
    return Array.from({{ length: {UPDATES} }}, () => {{
        const forward = slow.forward();
        const backward = slow.backward(forward.beta);
        return {{ ...forward, backward, ...slow.step(backward.unit, forward.beta) }};
    }});
"""


def objective(model: VAE, x: Tensor, eps: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return recon + KL, and what its derivatives are taken by."""
    a_in = model.encoder[0](x)
    h = model.encoder[1](a_in)
    mu, logvar = model.fc_mu(h), model.fc_logvar(h)
    z = model.reparameterize(mu, logvar, eps)
    a = model.fc_out(model.decoder(z))
    total = bce(a.sigmoid(), x) + kl_divergence(mu, logvar)
    return total, dict(a_in=a_in, mu=mu, logvar=logvar, z=z, picture=a)


def same(found: list[float], expected: Tensor) -> None:
    """Assert that numbers are equal to 4 digits, or almost 0."""
    torch.testing.assert_close(
        torch.tensor(found), expected.detach(), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("wasm", [True, False])
def test_each_number_is_that_of_torch(engine: Callable[..., Any], wasm: bool):
    data = random_images()
    state: State = start(CONFIG, data)
    events = updates(state, data, CONFIG)
    seen = engine(
        RUN,
        "slow_update",
        settings=settings_of(CONFIG),
        data=for_page(data),
        wasm=wasm,
    )
    for found in seen:
        before = deepcopy(state.model)
        x, eps = torch.tensor(found["x"]), torch.tensor(found["eps"])
        total, parts = objective(before, x, eps)
        slopes = dict(
            zip(parts, torch.autograd.grad(total, [*parts.values()]), strict=True)
        )
        same(found["mu"], parts["mu"])
        same(found["sigma"], (parts["logvar"] / 2).exp())
        same(found["z"], parts["z"])
        same(found["decoded"], parts["picture"].sigmoid())
        assert found["active"] == int((parts["a_in"] > 0).sum())
        for name in ("picture", "z", "mu", "logvar"):
            same(found["backward"][name], slopes[name])
        unit = int(slopes["a_in"].abs().argmax())
        assert found["backward"]["unit"] == unit
        same(found["backward"]["weights"], slopes["a_in"][unit] * x)

        event = next(events)
        assert event.recon == pytest.approx(found["recon"], rel=1e-5)
        assert event.kl == pytest.approx(found["kl"], rel=1e-4)
        new, old = (dict(each.named_parameters()) for each in (state.model, before))
        change = new["encoder.0.weight"] - old["encoder.0.weight"]
        same(found["change"], change[unit])
        after, _ = objective(state.model, x, eps)
        assert found["after"] == pytest.approx(after.item(), rel=1e-5)


def test_many_updates_at_once_are_the_same(engine: Callable[..., Any]):
    data = random_images()
    code = f"""
        {IMAGES}
        const [one, other] = [0, 1].map(() =>
            new engine.SlowUpdate(given.settings, imagesOf(given.data)));
        one.train(100); // more than two epochs
        for (let i = 0; i < 100; i++) {{
            const {{ unit }} = other.backward(other.forward().beta);
            other.step(unit, 1);
        }}
        return [one, other].map((each) => each.forward());
    """
    one, other = engine(
        code, "slow_update", settings=settings_of(CONFIG), data=for_page(data)
    )
    assert one == other
