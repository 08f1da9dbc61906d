"""engine/job.js: messages and traits are those of a Playground of Python."""

from __future__ import annotations

import base64
import itertools
import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_data import IMAGES, floats, for_page, greys, random_images

from vaelib import TrainConfig
from vaelib.widgets import Playground
from vaelib.widgets.explorer import LatentExplorer
from vaelib.widgets.panel import rules

Engine = Callable[..., Any]
Messages = list[dict[str, Any]]
CONFIG = TrainConfig(
    "tensors",
    hidden_dim=(12,),
    latent_dim=6,
    batch_size=10,
    epochs=4,
    lr=2e-3,
    lr_schedule="none",
    device="cpu",
)
DATA = {
    "your data": random_images(),
    "sprites, RGB": random_images((3, 4, 5), 31, 12),
    "mnist": random_images((1, 5, 5), 20, 9),
}
# JavaScript: a job, and its traits after each message.
JOB = f"""
    {IMAGES}
    const {{ rules, messages }} = given;
    const loads = [];
    const load = async (name, {{ train_images }}) => {{
        loads.push(name);
        if (!given.data[name]) throw new Error(`${{name}} could not be loaded.`);
        const {{ train, ...others }} = imagesOf(given.data[name]);
        const end = train_images * others.pixels || train.length;
        return {{ ...others, train: train.subarray(0, end) }};
    }};
    const sizeOf = (value) => // bytes of its arrays
        ArrayBuffer.isView(value) ? value.byteLength
        : typeof value !== "object" ? 0
        : Object.values(value ?? {{}}).reduce((sum, inner) => sum + sizeOf(inner), 0);
    return (async () => {{
        const traits = {{}};
        let emitted = [];
        let sent = 0;
        const emit = ({{ explorer, keep, ...changes }}) => {{
            emitted.push(...Object.keys(changes), ...(explorer ? ["explorer"] : []));
            sent += sizeOf({{ explorer, keep, ...changes }});
            Object.assign(traits, changes);
            if (keep) traits.kept = [...traits.kept, keep];
            traits.explorer = {{ ...traits.explorer, ...explorer }};
        }};
        const data = await load(rules.dataset, rules.settings);
        const job = new engine.TrainingJob(rules, data, load, emit);
        const found = [{{ ...traits, emitted }}];
        for (const message of messages) {{
            emitted = [];
            sent = 0;
            job.receive(message);
            while (job.isBusy) await job.turn();
            found.push({{ ...traits, emitted, sent, loads: [...loads] }});
        }}
        return found;
    }})();
"""


def in_the_page(engine: Engine, config: TrainConfig, messages: Messages) -> Messages:
    """Return the traits at the start of a job, and after each message."""
    images = {name: for_page(data) for name, data in DATA.items()}
    given = dict(rules=rules(config), data=images, messages=messages)
    return engine(JOB, "job", **json.loads(json.dumps(given)))


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Playground]:
    """Return a Playground of the same data."""
    config = replace(CONFIG, project_dir=str(tmp_path), group="kept")
    widget = Playground(config, DATA["your data"])
    widget.loaded |= DATA
    yield widget
    widget.close()


def in_python(playground: Playground, messages: Messages) -> Iterator[dict[str, Any]]:
    """Yield the traits of the panel at the start, and after each message."""
    for message in [{}, *messages]:
        playground.on_message(playground.panel, message, [])
        with suppress(ValueError, ArithmeticError):
            playground.wait()
        panel = playground.panel
        names = "settings", "frame", "curve", "fixed", "pictures", "ghosts", "kept"
        yield {name: getattr(panel, name) for name in names}


def require_same_curve(found: str, expected: bytes) -> None:
    """Assert that two curves are the same to rounding."""
    curve = np.frombuffer(expected, np.float32)
    assert floats(found) == pytest.approx(curve, rel=1e-4)


def require_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Assert that the traits are the same to rounding."""
    assert found["settings"] == expected["settings"]
    numbers = {"kl": 1e-3, "tests": 1e-4}
    frames = [
        {name: value for name, value in each["frame"].items() if name not in numbers}
        for each in (found, expected)
    ]
    assert frames[0] == frames[1]
    for name, close in numbers.items():
        pair = [np.array(each["frame"][name]) for each in (found, expected)]
        assert pair[0] == pytest.approx(pair[1], rel=close, abs=1e-6)
    require_same_curve(found["curve"], expected["curve"])
    assert base64.b64decode(found["fixed"]) == expected["fixed"]
    pictures = greys(base64.b64decode(found["pictures"])) - greys(expected["pictures"])
    assert abs(pictures).max() <= 1
    assert len(found["ghosts"]) == len(expected["ghosts"])
    for mine, its in zip(found["ghosts"], expected["ghosts"], strict=True):
        assert (mine["label"], mine["unit"]) == (its["label"], its["unit"])
        require_same_curve(mine["curve"], its["curve"])
    assert len(found["kept"]) == len(expected["kept"])
    for mine, its in zip(found["kept"], expected["kept"], strict=True):
        assert (mine["label"], mine["step"]) == (its["label"], its["step"])
        for name in ("recon", "kl", "neg_elbo"):
            assert mine[name] == pytest.approx(its[name], rel=1e-3)


def do(*names: str) -> Messages:
    """Return the messages of buttons."""
    return [dict(do=name) for name in names]


def test_every_trait_is_that_of_a_playground(engine: Engine, playground: Playground):
    messages = [
        *[dict(set=dict(beta="4")), *do("undo"), *do(*["step"] * 7)],
        *[dict(set=dict(beta=0.1)), dict(set=dict(beta="1e-5")), *do(*["step"] * 5)],
        *[dict(set=dict(beta=1)), *do("keep", "undo"), *do(*["step"] * 3)],
        *[dict(set=dict(latent_dim=2)), *do(*["step"] * 6), *do("undo", "undo")],
        *[*do("step"), dict(set=dict(loss="gaussian")), *do(*["step"] * 5)],
        *[dict(set=dict(seed=str(2**63 - 1))), *do(*["step"] * 5), *do("reset")],
        *[dict(set=dict(beta_schedule="cyclic")), *do("train", "train", "step")],
        *[dict(set=dict(beta=3)), *do("keep", "pause"), dict(set=dict(loss="mse"))],
        *[*do(*["step"] * 5), dict(set=dict(beta=1, beta_schedule="none"))],
        *[dict(set=dict(capacity="5", gamma=2)), *do(*["step"] * 5, "keep")],
        *[dict(set=dict(beta=2)), dict(set=dict(capacity=0, free_bits=0.3))],
        *[*do(*["step"] * 5), dict(set=dict(free_bits="0", encoder_updates="2"))],
        *[*do(*["step"] * 5), dict(set=dict(encoder_updates=0)), *do(*["step"] * 5)],
        *[dict(set=dict(dataset="sprites, RGB")), *do("step")],
        *[dict(set=dict(dataset="sprites, RGB")), *do(*["step"] * 5)],
        *[dict(set=dict(dataset="your data", seed="5")), *do("undo", "step", "undo")],
        *[dict(set=dict(train_images="20")), *do(*["step"] * 5, "keep")],
    ]
    found = in_the_page(engine, CONFIG, messages)
    for mine, its in zip(found, in_python(playground, messages), strict=True):
        require_same(mine, its)
    assert max(len(each["ghosts"]) for each in found) == 4
    assert len(found[-1]["kept"]) == 4
    assert "sprites, RGB, 20 images, " in found[-1]["kept"][-1]["label"]
    assert found[-1]["loads"] == ["your data", "sprites, RGB", "sprites, RGB"]
    assert {bool(each["frame"]["former"]) for each in found} == {True, False}
    assert found[0]["choices"] == playground.panel.choices


def test_models_of_the_same_label_are_told_apart(
    engine: Engine, playground: Playground
):
    """Beta is changed after 5 updates in one, and after 6 in the other."""
    messages = [
        *[*do(*["step"] * 5), dict(set=dict(beta=4)), *do(*["step"] * 5), *do("reset")],
        *[dict(set=dict(beta=1)), *do(*["step"] * 6), dict(set=dict(beta=4))],
        *[*do(*["step"] * 4), *do("undo")],
    ]
    found = in_the_page(engine, CONFIG, messages)
    for mine, its in zip(found, in_python(playground, messages), strict=True):
        require_same(mine, its)
    assert len(found[-1]["ghosts"]) == 1


def test_a_kept_run_is_sent_once(engine: Engine):
    found = in_the_page(engine, CONFIG, do("step", "keep", "keep", "keep"))
    assert [len(each["kept"]) for each in found] == [0, 0, 1, 2, 3]
    paths = [run["path"] for run in found[-1]["kept"]]
    assert paths == ["run-001", "run-002", "run-003"]
    step, *keeps = (each["sent"] for each in found[1:])
    assert keeps == [keeps[0]] * 3
    assert keeps[0] > step


REFUSED = [
    *[dict(beta=value) for value in ("", "four", "nan", "-1", "1e7", "-inf", "0x10")],
    *[dict(beta=value) for value in (None, True, [1, 2.5], {"a": ""}, -1, 2 * 10**6)],
    *[dict(beta=value) for value in ("1_0_", "1e400", "it's", "x" * 600, "\n\u200b")],
    *[dict(seed=value) for value in ("1.5", "-1", str(2**63), 0.5, "9" * 4301, "")],
    *[dict(seed="9" * 700), dict(seed=10**20), dict(beta=-1e-7)],
    *[dict(train_images=value) for value in (-1, "1e3", 1_000_001, "some")],
    *[dict(latent_dim=value) for value in (0, "0", 10_001, "2e1", 2.5, "ten")],
    *[dict(loss=value) for value in ("", "l1", None, 3)],
    *[dict(beta_schedule="up"), dict(free_bits=-1), dict(capacity="x"), dict(gamma=0)],
    *[dict(encoder_updates=1.5), dict(capacity=5, beta=2)],
    *[dict(capacity=5, free_bits="0.5"), dict(capacity=5, beta_schedule="linear")],
    *[dict(dataset="cifar"), dict(lr="1"), dict(epochs=3), dict(constructor=1)],
    *[dict(dataset="toString"), dict(loss="mse", beta="no")],
]
ACCEPTED = [
    *[dict(beta=value) for value in (" 1_0.5\n", "+.5", "5.", "1E-3", "-0", 0, 1e6)],
    *[dict(seed=value) for value in ("+1_0", " 007 ", str(2**53 + 1), 5, "-0")],
    *[dict(latent_dim="3"), dict(loss="bce", latent_dim=4), dict(), dict(beta="2")],
    *[dict(free_bits=".5"), dict(encoder_updates="3", gamma="2")],
    *[dict(beta=1, capacity=2, free_bits=0), dict(capacity=0)],
]


def test_settings_are_read_and_refused_in_the_words_of_the_library(
    engine: Engine, playground: Playground
):
    messages = [dict(set=settings) for settings in [*REFUSED, *ACCEPTED]]
    found = in_the_page(engine, CONFIG, messages)[1:]
    expected = list(in_python(playground, messages))[1:]
    for message, mine, its in zip(messages, found, expected, strict=True):
        both = mine["frame"]["message"], its["frame"]["message"]
        assert both[0] == both[1], message
        assert bool(both[0]) == (message["set"] in REFUSED)
        assert mine["settings"] == its["settings"], message
        assert mine["frame"]["label"] == its["frame"]["label"], message


def random_messages(count: int) -> Messages:
    """Return messages in which about one of ten settings is refused."""
    draw = random.Random(1)
    values = dict(
        beta=["0", "0.1", 1, "100", 2.5, "1e-5", "-3", 0.3, "7"],
        beta_schedule=["none", "linear", "cyclic", "sine"],
        loss=["bce", "bce_logits", "mse", "gaussian", "hinge"],
        latent_dim=[2, 3, "5", 9, "0"],
        free_bits=[0, "0.2"],
        capacity=["0", 0, 3],
        encoder_updates=[0, "1", 2, 1.5],
        seed=["0", "1", str(2**63 - 1), "x"],
        dataset=[*DATA, "nothing"],
    )
    buttons = ["step"] * 20 + ["train", "pause", "reset", "undo", "undo", "hello"]
    messages: Messages = []
    for _ in range(count):
        name = draw.choice(["beta", *values])
        is_button = draw.random() < 0.75
        one = dict(set={name: draw.choice(values[name])})
        messages.append(dict(do=draw.choice(buttons)) if is_button else one)
    return messages


def test_random_messages(engine: Engine, playground: Playground):
    messages = random_messages(300)
    found = in_the_page(engine, CONFIG, messages)
    for mine, its in zip(found, in_python(playground, messages), strict=True):
        assert mine["settings"] == its["settings"]
        assert [g["label"] for g in mine["ghosts"]] == [
            g["label"] for g in its["ghosts"]
        ]
        for name in ("step", "message", "former", "over", "running", "unit", "beta"):
            assert mine["frame"][name] == its["frame"][name]
    assert sum(bool(each["frame"]["message"]) for each in found) > 10


def test_divergence_is_reported_and_undone(engine: Engine):
    """With a far too large learning rate, whatever the settings are."""
    config = replace(CONFIG, lr=1e6)
    found = in_the_page(engine, config, random_messages(300))
    diverged = 0
    for each in found:
        frame = each["frame"]
        assert np.isfinite([float(nats) for nats in frame["kl"]]).all()
        assert None not in np.array(frame["tests"]).flatten()
        assert not frame["running"]
        assert np.isfinite(floats(each["curve"])).all()
        diverged += "the loss is not finite at step" in frame["message"]
    assert diverged > 10


def test_data_that_cannot_be_loaded_change_nothing(engine: Engine):
    missing = dict(set=dict(dataset="fashion_mnist"))
    *_, before, after = in_the_page(engine, CONFIG, [*do("step"), missing])
    message = after["frame"].pop("message")
    assert message == "fashion_mnist could not be loaded."
    before["frame"].pop("message")
    assert after["frame"] == before["frame"]
    assert after["settings"] == before["settings"]


def test_the_explorer_follows(engine: Engine, playground: Playground):
    messages = [*do("train"), dict(set=dict(loss="gaussian", dataset="sprites, RGB"))]
    playground.config = replace(CONFIG, lr=2e-2, beta=0.01)
    messages = [*do("reset"), *messages]
    found = [
        each["explorer"] for each in in_the_page(engine, playground.config, messages)
    ]
    explorer = playground.explorer
    pairs = zip(found, in_python(playground, messages), strict=True)
    for mine, _ in itertools.islice(pairs, 1, None):
        data = DATA[playground.dataset]
        exact = LatentExplorer(playground.session.state.model, data, bits=32)
        network = dict(exact.network)
        weights = np.frombuffer(network.pop("weights"), np.float32)
        close = pytest.approx(weights, rel=1e-3, abs=1e-4)
        assert floats(mine["network"].pop("weights")) == close
        assert mine["network"] == network
        test = explorer.test
        assert base64.b64decode(mine["test"].pop("images")) == test["images"]
        assert mine["test"] == {name: test[name] for name in ("labels", "classes")}
        codes = [base64.b64decode(mine["codes"]["mu"]), exact.codes["mu"]]
        mine_mu, its_mu = (np.frombuffer(each, np.int16).astype(int) for each in codes)
        assert abs(mine_mu - its_mu).max() <= 1
        kl = pytest.approx(exact.codes["kl"], rel=1e-3, abs=1e-6)
        assert mine["codes"]["kl"] == kl
        assert mine["codes"]["active"] == exact.codes["active"]
    assert any(found[2]["codes"]["active"])


def test_nothing_waits_for_the_test_after_an_epoch(engine: Engine):
    code = f"""
        {IMAGES}
        return (async () => {{
            const job = new engine.TrainingJob(
                given.rules, imagesOf(given.data), null, () => {{}}
            );
            job.receive({{ do: "train" }});
            let turns = 0;
            while (job.isBusy && !job.session.isTesting) {{
                await job.turn();
                turns++;
            }}
            job.receive({{ do: "pause" }});
            job.receive({{ set: {{ beta: "4" }} }});
            await job.turn();
            const during = [job.session.isTesting, job.settings.beta, job.isBusy];
            while (job.isBusy) {{ await job.turn(); turns++; }}
            const {{ ends: [end], state }} = job.session;
            return {{ during, turns, end: [end.step, end.beta], step: state.step }};
        }})();
    """
    given = dict(rules=rules(CONFIG), data=for_page(DATA["your data"]))
    found = engine(code, "job", **given)
    steps = found["step"]
    assert found["during"] == [True, 4, True]
    assert found["end"] == [steps, CONFIG.beta]
    assert found["turns"] > steps


def test_hello_is_answered_at_once_and_nothing_is_sent_too_often(engine: Engine):
    code = f"""
        {IMAGES}
        return (async () => {{
            const emitted = [];
            const emit = (changes) => emitted.push(changes);
            const data = imagesOf(given.data);
            const job = new engine.TrainingJob(given.rules, data, null, emit);
            job.receive({{ do: "hello" }});
            const hello = emitted.pop();
            for (const strange of [{{}}, {{ do: "constructor" }}, {{ do: 5 }}])
                job.receive(strange);
            const isIdle = !job.isBusy;

            let now = 1000;
            performance.now = () => now;
            let times;
            const turns = async (count) => {{
                times = {{ frame: [], explorer: [] }};
                for (let i = 0; i < count; i++) {{
                    emitted.length = 0;
                    do await job.turn();
                    while (job.session.isTesting);
                    for (const changes of emitted)
                        for (const name in times)
                            if (changes[name]) times[name].push(now - 1000);
                    now += 10;
                }}
                return times;
            }};
            const rates = [];
            const found = {{ hello, isIdle, rates }};
            job.receive({{ do: "train" }});
            found.times = await turns(200);
            rates.push(job.rate(now));
            job.receive({{ set: {{ seed: "5" }} }}); // a new model, while it trains
            await turns(21);
            rates.push(job.rate(now));

            job.receive({{ set: {{ beta: "four" }} }});
            await turns(1);
            found.goesOn = job.isBusy;
            job.receive({{ set: {{ beta: "4" }} }});
            found.atOnce = (await turns(1)).frame.length;
            found.first = emitted[0];

            const {{ pictures }} = job.session;
            job.session.pictures = (kl) => {{
                now += 100;
                return pictures.call(job.session, kl);
            }};
            found.slow = (await turns(100)).frame;
            for (const name of ["reset", "undo", "pause"]) {{
                job.receive({{ do: "train" }});
                await turns(2);
                job.receive({{ do: name }});
                await turns(1);
                found[name] = job.isBusy;
                rates.push(job.rate(now));
            }}
            return found;
        }})();
    """
    config = replace(CONFIG, epochs=1000)
    given = dict(rules=rules(config), data=for_page(DATA["your data"]))
    found = engine(code, "job", **given)
    assert found["hello"] == dict(here=True)
    assert found["isIdle"]
    # A turn takes 10 milliseconds by this clock, and what is shown takes none.
    assert found["times"]["frame"] == [0, *range(80, 2000, 80)]
    assert found["times"]["explorer"] == [0, 560, 1120, 1680]
    assert found["rates"] == [1000, 1000, 0, 0, 0]
    assert found["goesOn"]
    assert found["atOnce"] == 1
    assert list(found["first"]) == ["settings"]  # before the update and its pictures
    assert found["first"]["settings"]["plan"][-1] == 4
    # What takes 100 milliseconds to show is shown 200 milliseconds later again.
    assert set(np.diff(found["slow"])) == {300}
    assert not any(found[name] for name in ("reset", "undo", "pause"))
