"""engine/session.js: what a Session of the page shows is what one of Python shows."""

from __future__ import annotations

import base64
import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from page_data import IMAGES, floats, for_page, greys, random_images, settings_of

from vaelib import TrainConfig
from vaelib.images import binarized
from vaelib.losses import LOSSES, title
from vaelib.plotting import thinned
from vaelib.training import Diverged
from vaelib.widgets.session import SAMPLES, Session

Engine = Callable[..., Any]
CONFIG = TrainConfig(
    "tensors", hidden_dim=(16,), latent_dim=6, batch_size=10, epochs=3, device="cpu"
)
CHANGES: list[dict[str, Any]] = [
    {},
    dict(latent_dim=2, loss="gaussian", binarize="fixed", seed=2**62),
    dict(loss="mse", activation="tanh", hidden_dim=(9, 8), reduction="mean"),
    dict(train_images=10_000),
    dict(free_bits=0.4, encoder_updates=1),
    dict(beta_schedule="cyclic", binarize="dynamic", beta=0.3, batch_size=9),
    dict(beta_schedule="linear", epochs=17, batch_size=15, beta_changes="9:7,2:.5"),
]
# Numbers of updates, and changes of beta between them.
ACTIONS = ((7, 0.1), (0, 1e-5), (3, 100.0), (4, 1e16 / 1e10), (0, 2.5))
RUN = f"""
    {IMAGES}
    const {{ settings, data, name, actions, useWasm }} = given;
    const session = new engine.Session(settings, imagesOf(data), name, useWasm);
    for (const [updates, beta] of actions) {{
        for (let i = 0; i < updates; i++) session.advance();
        session.changeBeta(beta);
    }}
    const kl = session.meanKl();
    const pictures = session.pictures(kl);
    const {{ label, summary, plan, noise }} = session;
    const {{ beta, beta_changes }} = session.settings;
    return {{
        label, summary, plan, noise, beta, beta_changes, kl, pictures,
        ghost: session.ghost(), status: session.status(), fixed: session.testImages(),
        end: session.evaluate(), again: session.evaluate(),
    }};
"""


@pytest.mark.parametrize(
    ("changes", "wasm"), [({}, False), *((each, True) for each in CHANGES)], ids=str
)
def test_a_session_shows_the_same(engine: Engine, changes: dict[str, Any], wasm: bool):
    config = replace(CONFIG, lr=2e-3, **changes)
    data = binarized(random_images(), config.binarize)
    session = Session(config, data, "some images")
    for steps, beta in ACTIONS:
        for _ in range(steps):
            session.advance()
        session.change_beta(beta)
    page: dict[str, Any] = dict(settings=settings_of(config), data=for_page(data))
    found = engine(
        RUN, "session", **page, name=session.name, actions=ACTIONS, useWasm=wasm
    )

    c = session.config
    assert (found["beta"], found["beta_changes"]) == (c.beta, c.beta_changes)
    assert (found["label"], found["summary"]) == (session.label, session.summary)
    assert found["plan"] == session.plan
    assert found["noise"] == pytest.approx(session.noise.flatten().tolist(), abs=1e-6)
    assert len(found["noise"]) == SAMPLES * config.latent_dim
    assert base64.b64decode(found["fixed"]) == session.test_images()

    status = session.status()
    assert status["tests"]
    for mine, its in zip(
        found["status"].pop("tests"), status.pop("tests"), strict=True
    ):
        assert mine == pytest.approx(its, rel=1e-4)
    assert found["status"] == status
    ghost = session.ghost()
    curve = np.frombuffer(ghost.pop("curve"), np.float32)
    assert floats(found["ghost"].pop("curve")) == pytest.approx(curve, rel=1e-4)
    assert found["ghost"] == ghost

    kl = session.mean_kl()
    assert found["kl"] == pytest.approx(kl.tolist(), rel=1e-3, abs=1e-6)
    pictures = greys(session.pictures(kl))
    difference = greys(base64.b64decode(found["pictures"])) - pictures
    assert abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.01
    assert pictures.std() > 1

    end = session.ends[-1]
    end = end if end.step == session.state.step else session.evaluate()
    assert found["end"]["recon"] == pytest.approx(end.recon, rel=1e-4)
    assert found["end"]["kl"] == pytest.approx(end.kl, rel=1e-3)
    assert found["again"] == found["end"]


def train(session: Session) -> None:
    """Train to the end."""
    while not session.finished:
        session.advance()


def test_a_session_ends(engine: Engine):
    """After the last epoch, and with the first loss that is not finite."""
    code = f"""
        {IMAGES}
        const session = new engine.Session(given.settings, imagesOf(given.data), "x");
        let message = "";
        try {{ while (!session.finished) session.advance(); }}
        catch (error) {{ message = error.message; }}
        const kl = session.meanKl();
        const end = session.ends.length ? session.evaluate() : null;
        const {{ tests, over, step }} = session.status();
        const pictures = session.pictures(kl);
        return {{ message, step, tests, kl, pictures, end, over }};
    """
    data = random_images()
    page = dict(settings=settings_of(CONFIG), data=for_page(data))
    found = engine(code, "session", **page)
    assert (found["message"], found["step"], len(found["tests"])) == ("", 15, 3)
    assert found["over"]
    end = found["end"]
    assert [end["step"], end["recon"], end["kl"]] == found["tests"][-1]

    config = replace(CONFIG, lr=1e6, lr_schedule="none")
    session = Session(config, data, "x")
    with pytest.raises(Diverged) as error:
        train(session)
    found = engine(code, "session", **page | dict(settings=settings_of(config)))
    assert found["message"]
    assert str(error.value).startswith(found["message"].removesuffix("."))
    assert (found["step"], found["over"]) == (session.state.step, True)
    kl = session.mean_kl()
    assert found["kl"] == kl.tolist() == [0] * 6
    assert base64.b64decode(found["pictures"]) == session.pictures(kl)


def test_titles_of_the_losses(engine: Engine):
    code = """
        return given.pairs.map(([loss, isBinary]) => engine.lossTitle(loss, isBinary));
    """
    pairs = [(loss, binary) for loss in LOSSES for binary in (False, True)]
    assert engine(code, "losses", pairs=pairs) == [title(*pair) for pair in pairs]


def test_a_long_curve_is_thinned(engine: Engine):
    code = "return given.sizes.map((n) => engine.thinned([...Array(n).keys()], 40));"
    sizes = [0, 1, 39, 40, 41, 79, 80, 81, 82, 200, 201, 203]
    expected = [list(thinned(range(n), 40)) for n in sizes]
    assert engine(code, "session", sizes=sizes) == expected


def test_numbers_and_text_are_written_as_python_writes_them(engine: Engine):
    draw = random.Random(0)
    numbers = [0.0, -0.0, 0.1, 1e-5, 1e-4, 123e-7, 100.0, 1e16, 1e15, 123456789.0]
    numbers += [1e5, 1e6, 999999.5, 99999.95, 9.999995e-5, 1e21, 1e22, 5e-324, 1e-7]
    numbers += [
        draw.uniform(-10, 10) * 10.0 ** draw.randint(-30, 30) for _ in range(300)
    ]
    numbers += [math.nan, math.inf, -math.inf]
    code = """
        const read = (text) =>
            Number(text.replace("inf", "Infinity").replace("nan", "NaN"));
        const numbers = given.numbers.map(read);
        return {
            floats: numbers.map(engine.floatText),
            short: numbers.map(engine.shortText),
            values: given.values.map(engine.reprText),
        };
    """
    texts = [
        "",
        "it's",
        'a "b"',
        'it\'s "c"',
        "\\ \n\t\r\x00\x7f\xa0\u200bé😀\U0001d173\U000e0001",
    ]
    values = [*texts, 5, -3, 0.5, True, False, None, [1, "a", []], {"a": [None]}]
    found = engine(code, "python_text", numbers=list(map(repr, numbers)), values=values)
    assert found["floats"] == [repr(number) for number in numbers]
    assert found["short"] == [f"{number:g}" for number in numbers]
    assert found["values"] == [repr(value) for value in values]
