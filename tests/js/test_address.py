"""address.js: the address of a page names the settings of its Playground."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from live import page_rules

from vaelib.widgets.panel import as_json
from vaelib.widgets.playground import DEFAULT

Engine = Callable[..., Any]
RULES = json.loads(json.dumps(page_rules(as_json(DEFAULT))))
READ = """
    const rules = engine.linkedRules(given.rules, given.query);
    return [rules.dataset, rules.settings];
"""


@pytest.mark.parametrize(
    ("query", "changes"),
    [
        ("", {}),
        ("?beta=4&latent_dim=2", dict(beta=4, latent_dim=2)),
        ("?beta=1e-3&seed=9223372036854775807", dict(beta=1e-3, seed=str(2**63 - 1))),
        ("?train_images=0&loss=mse", dict(train_images=0, loss="mse")),
        ("?beta_schedule=cyclic&other=1", dict(beta_schedule="cyclic")),
        ("?dataset=sprites%2C+RGB", dict(dataset="sprites", channels=3)),
        ("?dataset=fashion_mnist", {}),  # the page has not got it
        ("?dataset=toString&constructor=1&lr=1&epochs=3&binarize=fixed", {}),
        ("?latent_dim=7&train_images=5&loss=l1&beta_schedule=up", {}),  # in no menu
        ("?beta=-1&seed=1.5", {}),
        ("?beta=&seed=&loss=", {}),
        ("?beta=four&latent_dim=3", dict(latent_dim=3)),  # each by itself
        ("?beta=2&beta=3", dict(beta=3)),
        ("?free_bits=0.5&encoder_updates=5", dict(free_bits=0.5, encoder_updates=5)),
        ("?capacity=15&gamma=2", dict(capacity=15, gamma=2)),
        ("?capacity=15&beta=2", {}),  # do not go together
    ],
)
def test_settings_that_controls_take_are_read(
    engine: Engine, query: str, changes: dict[str, Any]
):
    dataset, settings = engine(READ, "../address", rules=RULES, query=query)
    assert settings == RULES["settings"] | changes
    assert dataset == ("sprites, RGB" if "dataset" in changes else "mnist")


def test_an_address_leads_to_its_settings(engine: Engine):
    """It names those that are not the first ones, and keeps all else."""
    code = """
        const { rules, changes } = given;
        const first = engine.controlValues(rules.dataset, rules.settings, rules.limits);
        const page = "file:///a%20b/15.html?x=1&beta=9&loss=l1#15.2";
        return changes.map((each) => {
            const address = engine.linkTo(page, { ...first, ...each }, first);
            return [address, engine.linkedRules(rules, new URL(address).search)];
        });
    """
    changes = [{}, dict(beta=0.1, latent_dim=2), dict(dataset="sprites, RGB")]
    modules = "../address", "limits"
    found = engine(code, *modules, rules=RULES, changes=changes)
    for (address, rules), change in zip(found, changes, strict=True):
        assert rules["dataset"] == change.pop("dataset", "mnist")
        assert rules["settings"].items() >= change.items()
        assert address.startswith("file:///a%20b/15.html?x=1")
        assert address.endswith("#15.2")
        assert "loss" not in address
    assert found[0][0] == "file:///a%20b/15.html?x=1#15.2"
    assert "?x=1&beta=0.1&latent_dim=2#" in found[1][0]
