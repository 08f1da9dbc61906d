"""`make bench`: ratios, each pair of things measured side by side in one run; the table goes to results.md and the READMEs.

python tests/benchmarks/bench.py [--only NAME ...]
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import reference
import torch

from vaelib import EpochEnd, TrainConfig, load_dataset, losses, start, updates
from vaelib.config import PRESETS, from_dict
from vaelib.data import binarized
from vaelib.evaluation import importance_nll
from vaelib.sweeps import grids
from vaelib.training import steps_per_epoch

HERE = Path(__file__).parent
TARGET = 105.55  # test nats that the reference reaches in 10 epochs
SEEDS = range(1, 6)
DATA = load_dataset()
Row = tuple[str, str, str, str, str]  # what, ours, theirs, ratio, at least or at most


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def pairs(
    ours: Callable[[], float], theirs: Callable[[], float], n: int
) -> tuple[float, float, float]:
    """Medians of both, taken in turn `n` times, and the median of their ratios theirs / ours."""
    both = [(ours(), theirs()) for _ in range(n)]
    return (
        median(o for o, _ in both),
        median(t for _, t in both),
        median(t / o for o, t in both),
    )


def epochs_of(config: TrainConfig) -> Iterator[tuple[float, float]]:
    """Our loop: each epoch's test nats and its seconds of training, without the test."""
    state, last, began = start(config, DATA), 0.0, time.perf_counter()
    for event in updates(state, DATA, config):
        if isinstance(event, EpochEnd):
            yield event.row["neg_elbo"], last - began
            began = time.perf_counter()
        else:
            last = time.perf_counter()


def to_target(epochs: Iterator[tuple[float, float]]) -> tuple[float, float]:
    """Seconds of training until the test figure is at most TARGET (infinite if never), and the figure then."""
    seconds, nats = 0.0, float("inf")
    for nats, more in epochs:
        seconds += more
        if nats <= TARGET:
            return seconds, nats
    return float("inf"), nats


def bench_target(folder: Path) -> list[Row]:
    """The default recipe against the reference's ten epochs: training alone, every seed."""
    ours = [to_target(epochs_of(TrainConfig(seed=seed))) for seed in SEEDS]
    theirs = sum(seconds for _, seconds in reference.train(folder, 10, seed=1))
    ours += [to_target(epochs_of(TrainConfig(seed=seed))) for seed in SEEDS]
    seconds = [s for s, _ in ours]
    nats = ", ".join(f"{nats:.2f}" for _, nats in ours[: len(SEEDS)])
    rows = [("training to 105.55 test nats, median of 5 seeds", median(seconds), "")]
    rows += [
        (
            "the same, slowest seed and turn",
            max(seconds),
            f"at least 8; test nats {nats}",
        )
    ]
    return [
        (what, f"{s:.1f} s", f"{theirs:.1f} s", f"{theirs / s:.1f}", bound)
        for what, s, bound in rows
    ]


def bench_latents(folder: Path) -> list[Row]:
    """Quality, not time: the worst of five seeds of the default recipe against ten epochs of the preset."""
    rows = []
    for latents in (2, 5, 10, 20, 50):
        ours = [last_nats(TrainConfig(latent_dim=latents, seed=seed)) for seed in SEEDS]
        theirs = last_nats(
            from_dict(PRESETS["pytorch-examples"] | dict(latent_dim=latents))
        )
        what = (
            f"test nats with {latents} latents, worst of 5 seeds (best {min(ours):.2f})"
        )
        rows.append(
            (
                what,
                f"{max(ours):.2f}",
                f"{theirs:.2f}",
                f"{max(ours) / theirs:.3f}",
                "at most 1",
            )
        )
    return rows


def last_nats(config: TrainConfig) -> float:
    """Test nats after the last epoch."""
    *_, (nats, _) = epochs_of(config)
    return nats


WATCH = (
    "import subprocess, resource, sys; subprocess.run(sys.argv[1:], check=True, stdout=-3, stderr=-3);"
    + ("print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
)


def child(*command: str) -> tuple[float, float]:
    """Seconds and peak memory (MiB) of a whole process; a small one between keeps this one's memory out of the count."""
    began = time.perf_counter()
    found = subprocess.run(
        [sys.executable, "-c", WATCH, *command],
        check=True,
        capture_output=True,
        text=True,
    )
    return time.perf_counter() - began, int(found.stdout) / (
        2**20 if sys.platform == "darwin" else 2**10
    )


def bench_process(folder: Path) -> list[Row]:
    """`vaelib train` with all it writes, against the reference with its pictures, to the same point."""
    train = [
        sys.executable,
        "-m",
        "vaelib.train",
        "--project-dir",
        str(folder / "reports"),
    ]
    ours = [child(*train) for _ in range(3)]
    theirs = child(sys.executable, reference.__file__, str(folder))
    ours += [child(*train) for _ in range(2)]
    s, m = median(s for s, _ in ours), median(m for _, m in ours)
    return [
        ("whole process with its pictures, to the same point", f"{s:.1f} s", f"{theirs[0]:.1f} s", f"{theirs[0] / s:.1f}",
         "at least 6"),
        ("its peak memory", f"{m:.0f} MiB", f"{theirs[1]:.0f} MiB", f"{theirs[1] / m:.2f}", ""),
    ]  # fmt: skip


def bench_epoch(folder: Path) -> list[Row]:
    """One epoch of training, plain and compiled, against the reference's."""

    def epoch_of(epochs: Iterator[tuple[float, float]]) -> Callable[[], float]:
        return lambda: next(epochs)[1]

    rows = []
    for what, config, bound in (
        ("", TrainConfig(epochs=9), 2.3),
        (", --compile", TrainConfig(epochs=9, compile=True), 3.3),
    ):
        ours, theirs = epochs_of(config), reference.train(folder, 9, seed=1)
        if config.compile:
            next(ours)
        o, t, ratio = pairs(epoch_of(ours), epoch_of(theirs), 3)
        rows.append(
            (
                f"one epoch{what}",
                f"{o:.2f} s",
                f"{t:.2f} s",
                f"{ratio:.1f}",
                f"at least {bound}",
            )
        )
    return rows


def products(batch: int, steps: int) -> float:
    """Seconds of the bare matrix products of an epoch: forward, and both gradients of each layer but the input's."""
    layers = [(784, 400), (400, 20), (400, 20), (20, 400), (400, 784)]
    work = [
        (torch.rand(batch, i), torch.rand(o, i), torch.rand(batch, o), i != 784)
        for i, o in layers
    ]

    def epoch() -> None:
        for _ in range(steps):
            for x, w, g, inner in work:
                torch.mm(x, w.T)
                torch.mm(g.T, x)
                if inner:
                    torch.mm(g, w)

    return timed(epoch)


def least(config: TrainConfig) -> float:
    """Seconds of an epoch with no activation, noise or loss in it: minibatches, linear layers both ways, Adam's updates."""
    state, order = start(config, DATA), torch.randperm(len(DATA.train))
    model, ones = state.model, torch.ones(config.batch_size, 784)

    def epoch() -> None:
        for index in order.split(config.batch_size):
            state.optimizer.zero_grad()
            h = model.encoder[0](DATA.batch(index, state.rng))
            model.fc_out(
                model.decoder[0](model.fc_mu(h) + model.fc_logvar(h))
            ).backward(ones[: len(index)])
            state.optimizer.step()

    return timed(epoch)


def bench_products(folder: Path) -> list[Row]:
    """One epoch over the bare matrix products of the same shapes: what everything else costs."""
    rows = []
    bare = partial(
        products, TrainConfig().batch_size, steps_per_epoch(TrainConfig(), DATA)
    )
    bare()
    o, t, ratio = pairs(lambda: least(TrainConfig()), bare, 5)
    what = "an epoch of linear layers and Adam alone, over its bare matrix products"
    rows.append((what, f"{o:.2f} s", f"{t:.2f} s", f"{1 / ratio:.2f}", ""))
    for what, config, bound in (
        ("", TrainConfig(epochs=9), 1.6),
        (", --compile", TrainConfig(epochs=9, compile=True), 1.25),
    ):
        ours, bare = (
            epochs_of(config),
            partial(products, config.batch_size, steps_per_epoch(config, DATA)),
        )
        next(ours)
        bare()
        o, t, ratio = pairs(lambda ours=ours: next(ours)[1], bare, 5)
        label = f"one epoch{what}, over its bare matrix products"
        rows.append(
            (label, f"{o:.2f} s", f"{t:.2f} s", f"{1 / ratio:.2f}", f"at most {bound}")
        )
    return rows


def bench_evaluation(folder: Path) -> list[Row]:
    """The likelihood of 40 images with 5,000 importance samples each, over the decoder's bare matrix products."""
    data = binarized(DATA, "fixed")
    config = TrainConfig(binarize="fixed")
    model = start(config, data).model
    nats = losses.reconstruction(config.loss)
    n, k = 40, 5000
    z, h, w1, w2 = (
        torch.rand(1000, 20),
        torch.rand(1000, 400),
        torch.rand(400, 20),
        torch.rand(784, 400),
    )

    def ours() -> float:
        return timed(
            lambda: list(
                importance_nll(model, nats, data.test[:n], torch.Generator(), k)
            )
        )

    def bare() -> float:
        return timed(
            lambda: [
                (torch.mm(z, w1.T), torch.mm(h, w2.T)) for _ in range(n * k // 1000)
            ]
        )

    o, t, ratio = pairs(ours, bare, 5)
    what = "evaluation, 5,000 importance samples, over its bare matrix products"
    return [(what, f"{o:.2f} s", f"{t:.2f} s", f"{1 / ratio:.2f}", "at most 1.8")]


def bench_start(folder: Path) -> list[Row]:
    """How long the reader waits for nothing."""
    rows = []
    for what, command in (
        ("import vaelib", ["-c", "import vaelib"]),
        ("vaelib --help", ["-m", "vaelib.cli", "--help"]),
    ):
        o, t, _ = pairs(
            lambda c=command: child(sys.executable, *c)[0],
            lambda: child(sys.executable, "-c", "pass")[0],
            9,
        )
        rows.append(
            (
                f"{what} (against python -c pass)",
                f"{o * 1000:.0f} ms",
                f"{t * 1000:.0f} ms",
                f"{t / o:.2f}",
                "",
            )
        )
    return rows


def bench_sweep(folder: Path) -> list[Row]:
    """The reference grid at 2 epochs: a shell's loop over `vaelib train` against `vaelib sweep`; and what threads are worth."""
    where = ["--epochs", "2", "--project-dir", str(folder / "reports")]
    vaelib, grid = [sys.executable, "-m", "vaelib.cli"], grids.from_flags({})

    def loop(runs: list[TrainConfig]) -> None:
        for run in runs:
            flags = [
                "--latent-dim",
                str(run.latent_dim),
                "--loss",
                run.loss,
                "--beta-schedule",
                run.beta_schedule,
            ]
            subprocess.run(
                [*vaelib, "train", *where, *flags, "--group", "loop"],
                check=True,
                stdout=subprocess.DEVNULL,
            )

    def sweep(group: str, *flags: str) -> float:
        command = [*vaelib, "sweep", *where, "--group", group, *flags]
        return timed(
            lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        )

    half = timed(lambda: loop(grid[::2]))
    ours = sweep("grid")
    theirs = half + timed(lambda: loop(grid[1::2]))
    few = [
        "--latent-dim",
        "8",
        "--loss",
        "bce_logits",
        "--beta-schedule",
        "none",
        "--seed",
        "1",
        "2",
        "3",
        "4",
    ]
    many, one = sweep("many", *few), sweep("one", *few, "--workers", "1")
    return [
        ("27 runs of 2 epochs, a sweep against a loop of commands", f"{ours:.0f} s", f"{theirs:.0f} s", f"{theirs / ours:.2f}",
         "at least 1.4"),
        ("4 runs: two processes of one training thread, against one of two", f"{many:.0f} s", f"{one:.0f} s",
         f"{one / many:.2f}", ""),
    ]  # fmt: skip


def bench_widgets(folder: Path) -> list[Row]:
    """In a real JupyterLab and a real Chromium: how soon a hand sees what it did, and what being watched costs."""
    sys.path.insert(0, str(HERE.parent / "browser"))
    sys.path.insert(0, str(HERE.parents[1] / "book"))
    import real  # pyright: ignore[reportMissingImports]

    with real.jupyterlab(folder) as lab, real.chromium() as browser:
        assert browser, (
            "there is no Chromium here: install it, or run playwright install chromium"
        )
        page = browser.new_page()
        return [*explorer_rows(page, lab, real), *playground_rows(page, lab, real)]


WATCH_PIXELS = """() => {
    const out = document.querySelector(".vaelib canvas.out"), put = CanvasRenderingContext2D.prototype.putImageData;
    let began = 0, written = 0;
    window.moves = [];
    CanvasRenderingContext2D.prototype.putImageData = function (...given) {
        put.apply(this, given);
        if (this.canvas === out && !written) written = performance.now();
    };
    addEventListener("input", () => {
        (began = performance.now()), (written = 0);
        requestAnimationFrame(() => moves.push([written - began, written > 0]));
    }, true);
}"""


def explorer_rows(page: Any, lab: Any, real: Any) -> list[Row]:
    """From the input event of a slider to the decoded image on its canvas; no kernel takes part."""
    cells = (
        "import torch\nfrom vaelib import VAE, load_dataset\nfrom vaelib.widgets import LatentExplorer",
        "LatentExplorer(VAE(), load_dataset())",
    )
    real.run_new(page, lab, "explorer", *cells)
    page.evaluate(WATCH_PIXELS)
    slider = page.locator(".latent input:visible").first
    slider.focus()
    for i in range(100):
        slider.press("ArrowRight" if i < 50 else "ArrowLeft")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    page.mouse.down()
    for i in range(100):
        page.mouse.move(
            box["x"] + 5 + i * (box["width"] - 10) / 100, box["y"] + box["height"] / 2
        )
    page.mouse.up()
    page.wait_for_timeout(300)
    moves = page.evaluate("moves")
    times = sorted(ms for ms, _ in moves)
    p95, frame = (
        times[int(0.95 * len(times))],
        100 * sum(drawn for _, drawn in moves) / len(moves),
    )
    what = f"explorer, slider to pixels, p95 of {len(moves)} moves (median {median(times):.1f} ms)"
    return [
        (what, f"{p95:.1f} ms", "", "", "at most 4 ms"),
        ("drawn in the first frame", f"{frame:.0f} %", "", "", "at least 95 %"),
    ]


def playground_rows(page: Any, lab: Any, real: Any) -> list[Row]:
    """A training that is watched: first picture, looks a second, beta to effect, and speed against the loop alone."""
    from vaelib.widgets.playground import DEFAULT

    real.run_new(
        page, lab, "playground", "from vaelib.widgets import Playground\nPlayground()"
    )
    train = page.get_by_role("button", name="Train")
    page.wait_for_function("!document.querySelector('fieldset').disabled")
    page.wait_for_timeout(1000)
    sheet = "document.querySelector('canvas.sheet').toDataURL()"
    before = page.evaluate(sheet)
    first = timed(
        lambda: (
            train.click(),
            page.wait_for_function(
                f"old => {sheet} !== old", arg=before, polling="raf"
            ),
        )
    )
    looks = page.evaluate("""() => new Promise((resolve) => {
        let n = 0;
        const seen = new MutationObserver(() => n++);
        seen.observe(document.querySelector(".count"), { childList: true });
        setTimeout(() => resolve(n / 4), 4000);
    })""")
    move = """() => new Promise((resolve) => {
        const [slider, plan] = [".beta input", ".plan"].map((name) => document.querySelector(name));
        const [before, began] = [plan.getAttribute("aria-label"), performance.now()];
        const seen = new MutationObserver(() => {
            if (plan.getAttribute("aria-label") === before) return;
            seen.disconnect();
            requestAnimationFrame(() => resolve(performance.now() - began));
        });
        seen.observe(plan, { attributes: true });
        slider.valueAsNumber += slider.valueAsNumber < 1.9 ? 0.05 : -3.9;
        slider.dispatchEvent(new Event("input"));
    })"""
    times = []
    for _ in range(60):
        times.append(page.evaluate(move))
        page.wait_for_timeout(150)
    times.sort()
    watched, alone = [], []
    count = (
        "Number(document.querySelector('.count').textContent.match(/update (\\d+)/)[1])"
    )
    for _ in range(3):
        page.get_by_role("button", name="Reset").click()
        page.wait_for_function(f"{count} === 0")
        train.click()
        page.wait_for_function(f"{count} > 20", polling=20)
        began, begun = time.perf_counter(), page.evaluate(count)
        page.wait_for_function(f"{count} > 210", polling=20)
        watched.append(
            (page.evaluate(count) - begun)
            * DEFAULT.batch_size
            / (time.perf_counter() - began)
        )
        page.get_by_role("button", name="Pause").click()
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        alone.append(len(DATA.train) / next(epochs_of(DEFAULT))[1])
        torch.set_num_threads(threads)
    ours, theirs = median(watched), median(alone)
    return [
        ("playground, Train to the first new picture", f"{1000 * first:.0f} ms", "", "", "at most 1000 ms"),
        ("looks a second while it trains", f"{looks:.1f}", "", "", "at least 10"),
        (f"beta to its effect while it trains, p95 of {len(times)} (median {median(times):.0f} ms)",
         f"{times[int(0.95 * len(times))]:.0f} ms", "", "", "at most 150 ms"),
        ("images a second while watched, against the loop alone with one thread", f"{ours:.0f}", f"{theirs:.0f}",
         f"{ours / theirs:.2f}", "at least 0.8"),
    ]  # fmt: skip


SWITCHES = """async () => {
    const values = (name) => [...document.querySelectorAll(`[aria-label="${name}"] input`)];
    const walk = []; // through all models, one setting at a time
    let turn = 0;
    for (const [i, size] of values("Latents").entries())
        for (const loss of i % 2 ? values("Loss").reverse() : values("Loss"))
            for (const beta of turn++ % 2 ? values("β").reverse() : values("β")) walk.push([size, loss, beta]);
    const frame = () => new Promise(requestAnimationFrame), figures = document.querySelector(".figures");
    const through = async (models) => {
        const times = [];
        for (const model of models) {
            const other = model.filter((input) => !input.checked), [before, began] = [figures.textContent, performance.now()];
            if (!other.length) continue;
            for (const input of other) input.click();
            while (figures.textContent === before) await frame();
            await frame(); // it is painted
            if (other.length === 1) times.push(performance.now() - began);
        }
        return times;
    };
    return [await through(walk), await through(walk.reverse())];
}"""


def bench_zoo(folder: Path) -> list[Row]:
    """The models of the book, trained anew; their page, opened from a disk: from a click to the frame after all is drawn."""
    book = HERE.parents[1] / "book"
    sys.path[:0] = [str(HERE.parent / "browser"), str(book)]
    import real  # pyright: ignore[reportMissingImports]

    from vaelib.widgets import frontend

    command = [sys.executable, str(book / "zoo.py"), str(book / "zoo.toml"), "live"]
    trained = timed(lambda: subprocess.run(command, cwd=folder, check=True))
    (folder / "live" / "page.js").write_text(frontend.script(), "utf-8")
    place = '<div class="live" data-widget="zoo" data-state="zoo/index"></div>'
    head = f'<!doctype html><meta charset="utf-8"><style>{frontend.style()}</style><script defer src="live/page.js"></script>'
    (folder / "zoo.html").write_text(head + place, "utf-8")
    with real.chromium() as browser:
        assert browser, (
            "there is no Chromium here: install it, or run playwright install chromium"
        )
        page = browser.new_page(viewport={"width": 1100, "height": 1400})
        page.goto((folder / "zoo.html").as_uri())
        page.locator("[data-ready]").wait_for()
        rows = [
            (
                "the models of the book, 36 trained and packed",
                f"{trained:.0f} s",
                "",
                "",
                "at most 300 s",
            )
        ]
        for what, times in zip(
            ("not yet loaded", "loaded"), page.evaluate(SWITCHES), strict=True
        ):
            p95 = sorted(times)[int(0.95 * len(times))]
            name = f"zoo, click to pixels, models {what}, p95 of {len(times)} (median {median(times):.0f} ms)"
            rows.append((name, f"{p95:.0f} ms", "", "", "at most 200 ms"))
        return rows


def bench_book(folder: Path) -> list[Row]:
    """The pages of the book from stored outputs, with a small zoo that is trained before."""
    command = ["make", "book", f"OUT={folder / 'book'}", "ZOO=tests/zoo.toml"]
    subprocess.run(
        ["make", "zoo", command[-1]],
        cwd=HERE.parents[1],
        check=True,
        capture_output=True,
    )
    made = timed(
        lambda: subprocess.run(
            command, cwd=HERE.parents[1], check=True, capture_output=True
        )
    )
    return [("the book from stored outputs", f"{made:.0f} s", "", "", "at most 60 s")]


BENCHES = {
    name.removeprefix("bench_"): bench
    for name, bench in list(globals().items())
    if name.startswith("bench_")
}


def main() -> None:
    """Runs the benches, prints the table and writes it to results.md and between the READMEs' marks."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--only", nargs="+", choices=BENCHES, help="run some and write nothing"
    )
    only = parser.parse_args().only
    lines = ["| what | vaelib | plain | ratio | asked |", "|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        root = reference.prepare(Path(folder))
        for name in only or BENCHES:
            rows = [f"| {' | '.join(row)} |" for row in BENCHES[name](root)]
            print(*rows, sep="\n", flush=True)
            lines += rows
    if only:
        return
    when = datetime.now(UTC).date()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, {when}"
    text = "\n".join(
        [
            *lines,
            "",
            f"Measured by `make bench` on {machine}. Plain: the example as its users run it.",
            "",
        ]
    )
    (HERE / "results.md").write_text(text)
    for readme in (HERE.parents[1] / name for name in ("README.md", "README.ja.md")):
        before, mark, rest = readme.read_text(encoding="utf-8").partition(
            "<!-- bench -->\n"
        )
        after = rest.partition("<!-- /bench -->")[2]
        readme.write_text(
            f"{before}{mark}{text}<!-- /bench -->{after}", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
