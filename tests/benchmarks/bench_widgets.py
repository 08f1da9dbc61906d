"""Benchmarks of the widgets, in a real JupyterLab, a real page and a real Chromium."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import time
from base64 import b64encode
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import reference
import torch
from measure import DATA, ROOT, TARGET, Row, epochs_of, timed

from vaelib import TrainConfig
from vaelib.widgets import frontend

NO_BROWSER = "Chromium is missing: install it, or run playwright install chromium."


def import_real() -> Any:
    """Return tests/browser/real.py, which starts JupyterLab and Chromium."""
    sys.path[:0] = [str(ROOT / "tests" / "browser"), str(ROOT / "book")]
    import real  # pyright: ignore[reportMissingImports]

    return real


def p95(times: list[float]) -> float:
    """Return the 95 % quantile."""
    return sorted(times)[int(0.95 * len(times))]


def bench_widgets(folder: Path) -> list[Row]:
    """Measure how soon an action has its effect, and what being watched costs."""
    real = import_real()
    with real.jupyterlab(folder) as lab, real.chromium() as browser:
        assert browser, NO_BROWSER
        page = browser.new_page()
        makers = figure_rows, explorer_rows, playground_rows
        return [row for rows in makers for row in rows(page, lab, real)]


# JavaScript: train in a worker, and return the seconds at each update and the test
# terms after each epoch.
TRAIN_IN_WORKER = """([settings, train, test]) => new Promise((resolve, reject) => {
  const work = `const engine = (${vaelibEngine})();
    const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    onmessage = ({ data: [settings, train, test] }) => {
      const data = { train: bytes(train), test: bytes(test), pixels: 784 };
      const began = performance.now();
      const state = engine.startRun(settings, data);
      const times = [], ends = [];
      for (const event of engine.updates(state, data, settings)) {
        const seconds = (performance.now() - began) / 1000;
        if (event.kind === "update") times.push(seconds);
        else ends.push([seconds, event.recon + event.kl]);
      }
      postMessage({ times, ends });
    };`;
  const address = URL.createObjectURL(new Blob([work]));
  const worker = new Worker(address);
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => reject(message);
  worker.postMessage([settings, train, test]);
})"""


def bench_engine(folder: Path) -> list[Row]:
    """Measure training in the page against the plain loop, in turn."""
    real = import_real()
    with real.chromium() as browser:
        assert browser, NO_BROWSER
        page = browser.new_page()
        page.set_default_timeout(600_000)
        body = f"{frontend.module('engine/trainer')} return {{ startRun, updates }};"
        page.add_script_tag(content=f"var vaelibEngine = function () {{{body}}};")

        def trained(**settings: Any) -> dict[str, Any]:
            config = TrainConfig(**settings)
            digits = DATA.train[: config.train_images], DATA.test
            given = [b64encode(d.numpy().tobytes()).decode() for d in digits]
            return page.evaluate(TRAIN_IN_WORKER, [asdict(config), *given])

        plain, speeds = reference.train(folder, 4, seed=1), []
        next(plain)
        for _ in range(3):
            times = trained(train_images=20_000, epochs=1)["times"]
            ours = 256 * (len(times) - 11) / (times[-2] - times[9])
            speeds.append((ours, 60_000 / next(plain)[1]))
        ends = trained(train_images=20_000, epochs=14)["ends"]
    o, t = (median(each) for each in zip(*speeds, strict=True))
    seconds = next(s for s, nats in ends if nats <= TARGET)
    theirs = 10 * 60_000 / t
    return [
        Row(
            "images a second of training in a page, 784-400-20",
            *(f"{o:.0f}", f"{t:.0f}", f"{o / t:.2f}", "at least 0.7"),
        ),
        Row(
            "training in a page to 105.55 test nats, with 20,000 images",
            *(f"{seconds:.0f} s", f"{theirs:.0f} s", f"{theirs / seconds:.1f}"),
            goal="at least 1.25",
        ),
    ]


FIGURE = """
from vaelib.chapter import explore, subplots
def move(slope=0.5):
    figure, (left, right) = subplots(1, 2, size=(9, 3.3), width_ratios=(3, 2))
    for axes in (left, right):
        axes.plot([0, slope], label="line")
        axes.set(title=f"slope {slope:.2f}", xlabel="x", ylabel="y")
        axes.legend()
    return figure
explore(move, slope=(0.0, 1.0, 0.01)).add_class("vaelib")
"""

# JavaScript: the milliseconds from a key of the slider to the new figure.
MOVE_FIGURE = """() => new Promise((resolve) => {
  const began = performance.now();
  const seen = new MutationObserver(() => {
    seen.disconnect();
    requestAnimationFrame(() => resolve(performance.now() - began));
  });
  const image = document.querySelector("img.widget-image, .widget-image img");
  seen.observe(image, { attributes: true, attributeFilter: ["src"] });
  const key = { key: "ArrowRight", bubbles: true };
  document
    .querySelector(".noUi-handle")
    .dispatchEvent(new KeyboardEvent("keydown", key));
})"""


def figure_rows(page: Any, lab: Any, real: Any) -> list[Row]:
    """Measure from a key of a slider to the figure that Python draws for it."""
    real.run_new(page, lab, "figure", FIGURE)
    page.locator(".noUi-handle").wait_for()
    times = []
    for _ in range(40):
        times.append(page.evaluate(MOVE_FIGURE))
        page.wait_for_timeout(100)
    what = f"explore, key to figure, p95 of {len(times)} moves"
    what += f" (median {median(times):.0f} ms)"
    return [Row(what, f"{p95(times):.0f} ms", goal="at most 200 ms")]


# Explorer: window.moves gets, for each move of a slider, the milliseconds to the new
# pixels, and whether they were written before the next frame.
WATCH_PIXELS = """() => {
  const out = document.querySelector(".vaelib canvas.out");
  const put = CanvasRenderingContext2D.prototype.putImageData;
  let began = 0;
  let written = 0;
  window.moves = [];
  CanvasRenderingContext2D.prototype.putImageData = function (...given) {
    put.apply(this, given);
    if (this.canvas === out && !written) written = performance.now();
  };
  const onInput = () => {
    began = performance.now();
    written = 0;
    requestAnimationFrame(() => moves.push([written - began, written > 0]));
  };
  addEventListener("input", onInput, true);
}"""


def explorer_rows(page: Any, lab: Any, real: Any) -> list[Row]:
    """Measure from the input event of a slider to the pixels; no kernel takes part."""
    imports = "import torch\nfrom vaelib import VAE, load_dataset\n"
    imports += "from vaelib.widgets import LatentExplorer"
    real.run_new(
        page, lab, "explorer", imports, "LatentExplorer(VAE(), load_dataset())"
    )
    page.evaluate(WATCH_PIXELS)

    slider = page.locator(".latent input:visible").first
    slider.focus()
    for i in range(100):
        slider.press("ArrowRight" if i < 50 else "ArrowLeft")
    box = slider.bounding_box()
    left, middle = box["x"] + 5, box["y"] + box["height"] / 2
    page.mouse.move(left, middle)
    page.mouse.down()
    for i in range(100):
        page.mouse.move(left + i * (box["width"] - 10) / 100, middle)
    page.mouse.up()
    page.wait_for_timeout(300)

    moves = page.evaluate("moves")
    times = [ms for ms, _ in moves]
    in_time = 100 * sum(drawn for _, drawn in moves) / len(moves)
    what = f"explorer, slider to pixels, p95 of {len(moves)} moves"
    what += f" (median {median(times):.1f} ms)"
    frames = Row("drawn in the first frame", f"{in_time:.0f} %", goal="at least 95 %")
    return [Row(what, f"{p95(times):.1f} ms", goal="at most 4 ms"), frames]


SHEET = "document.querySelector('canvas.sheet').toDataURL()"
COUNT = "Number(document.querySelector('.count').textContent.match(/update (\\d+)/)[1])"

COUNT_PICTURES = """() => new Promise((resolve) => {
  let n = 0;
  const seen = new MutationObserver(() => n++);
  seen.observe(document.querySelector(".count"), { childList: true });
  setTimeout(() => resolve(n / 4), 4000);
})"""

MOVE_BETA = """() => new Promise((resolve) => {
  const slider = document.querySelector(".beta input");
  const plan = document.querySelector(".plan");
  const before = plan.getAttribute("aria-label");
  const began = performance.now();
  const seen = new MutationObserver(() => {
    if (plan.getAttribute("aria-label") === before) return;
    seen.disconnect();
    requestAnimationFrame(() => resolve(performance.now() - began));
  });
  seen.observe(plan, { attributes: true });
  slider.valueAsNumber += slider.valueAsNumber < 1.9 ? 0.05 : -3.9;
  slider.dispatchEvent(new Event("input"));
})"""


def playground_rows(page: Any, lab: Any, real: Any) -> list[Row]:
    """Measure a training that is watched: pictures, the reaction to beta, and speed."""
    code = "from vaelib.widgets import Playground\nPlayground()"
    real.run_new(page, lab, "playground", code)
    page.wait_for_function("!document.querySelector('fieldset').disabled")
    page.wait_for_timeout(1000)
    rows = watched_rows(page, "playground", most_ms=1000)
    ours, theirs = speeds(page)
    speed = "images a second while watched, against the loop alone with one thread"
    figures = f"{ours:.0f}", f"{theirs:.0f}", f"{ours / theirs:.2f}"
    return [*rows, Row(speed, *figures, "at least 0.8")]


def watched_rows(page: Any, where: str, most_ms: int) -> list[Row]:
    """Press Train, and measure how soon pictures, and changes of beta, are seen."""
    before = page.evaluate(SHEET)

    def to_first_picture() -> None:
        page.get_by_role("button", name="Train").first.click()
        changed = f"old => {SHEET} !== old"
        page.wait_for_function(changed, arg=before, polling="raf")

    first = timed(to_first_picture)
    pictures = page.evaluate(COUNT_PICTURES)
    times = []
    for _ in range(60):
        times.append(page.evaluate(MOVE_BETA))
        page.wait_for_timeout(150)
    effect = f"{where}, change of beta to its effect, p95 of {len(times)}"
    effect += f" (median {median(times):.0f} ms)"
    return [
        Row(
            f"{where}, Train to the first new picture",
            f"{1000 * first:.0f} ms",
            goal=f"at most {most_ms} ms",
        ),
        Row(
            f"{where}, new pictures a second",
            f"{pictures:.1f}",
            goal="at least 10",
        ),
        Row(effect, f"{p95(times):.0f} ms", goal="at most 150 ms"),
    ]


FRAMES = """() => new Promise((resolve) => {
  const times = [];
  let last = performance.now();
  const add = (now) => {
    times.push(now - last);
    last = now;
    if (times.length < 600) requestAnimationFrame(add);
    else resolve(times);
  };
  requestAnimationFrame(add);
})"""


# JavaScript: the milliseconds from each move of the sliders of a figure to its picture.
MOVE_FRAMES = """async (place) => {
  const times = [];
  for (const slider of place.querySelectorAll("input"))
    for (let i = 0; i < 20; i++) {
      slider.value = i % (Number(slider.max) + 1);
      const began = performance.now();
      slider.dispatchEvent(new Event("input"));
      await new Promise(requestAnimationFrame);
      await new Promise((resolve) => setTimeout(resolve)); // after it is painted
      times.push(performance.now() - began);
    }
  return times;
}"""


def frames_rows(page: Any, html: Path) -> list[Row]:
    """Measure the figures with sliders of the published book, opened from a disk."""
    times, weights = [], []
    for chapter in sorted(html.glob("notebooks/[0-9]*.html")):
        text = chapter.read_text("utf-8")
        states = re.findall(r'data-widget="figure" data-state="(\w+)"', text)
        weights += [
            len(gzip.compress((html / f"_static/live/{state}.js").read_bytes()))
            for state in states
        ]
        page.goto(chapter.as_uri())
        page.evaluate(import_real().UNFOLD)  # what waits for a prediction
        for place in page.locator('[data-widget="figure"]').all()[: len(states)]:
            place.scroll_into_view_if_needed()
            place.and_(page.locator("[data-ready]")).wait_for()
            times += place.evaluate(MOVE_FRAMES)
    what = f"page, slider to the picture of a figure, p95 of {len(times)} moves"
    what += f" (median {median(times):.0f} ms)"
    heaviest = f"{max(weights) / 1000:.0f} kB"
    return [
        Row(what, f"{p95(times):.0f} ms", goal="at most 50 ms"),
        Row("page, the heaviest figure with sliders", heaviest, goal="at most 400 kB"),
    ]


def bench_page(folder: Path) -> list[Row]:
    """Measure figures and training of the published book, opened from a disk."""
    real, out = import_real(), folder / "book"
    command = ["make", "book", f"OUT={out}", "ZOO=tests/zoo.toml"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with real.chromium() as browser:
        assert browser, NO_BROWSER
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        figures = frames_rows(page, out / "_build/html")
        page.goto((out / "_build/html/notebooks/15_playground.html").as_uri())
        place = page.locator("[data-widget=playground]").first
        place.scroll_into_view_if_needed()
        place.and_(page.locator("[data-ready]")).wait_for()
        train, reset = (
            page.get_by_role("button", name=name).first for name in ("Train", "Reset")
        )
        train.click()  # loads the images
        page.wait_for_function(f"{COUNT} > 3")
        reset.click()
        page.wait_for_function(f"{COUNT} === 0")
        page.wait_for_timeout(1000)
        rows = watched_rows(page, "page", most_ms=500)
        reset.click()
        train.click()
        times = page.evaluate(FRAMES)
        memory = memory_of_page(browser, page, minutes=10)

    what = f"page, frame to frame while it trains, p95 of {len(times)}"
    what += f" (median {median(times):.1f} ms)"
    early, late = (f"{size:.0f} MiB" for size in memory)
    what_memory = "page, memory after 10 minutes of training, against 1 minute"
    return [
        *figures,
        *rows,
        Row(what, f"{p95(times):.0f} ms", goal="at most 20 ms"),
        Row(what_memory, late, early, f"{memory[0] / memory[1]:.2f}"),
    ]


def memory_of_page(browser: Any, page: Any, minutes: int) -> tuple[float, float]:
    """Return the MiB of a page that trains, after one minute and after `minutes`.

    Objects that JavaScript no longer uses are removed before.
    """
    session = browser.new_browser_cdp_session()
    of_page = page.context.new_cdp_session(page)

    def size() -> float:
        of_page.send("HeapProfiler.collectGarbage")
        known = session.send("SystemInfo.getProcessInfo")["processInfo"]
        ids = [process["id"] for process in known if process["type"] == "renderer"]
        return sum(psutil.Process(i).memory_info().rss for i in ids) / 2**20

    sizes = []
    for minute in range(minutes):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if page.locator(".status").first.inner_text() != "Training":
                page.get_by_role("button", name="Reset").first.click()
                page.get_by_role("button", name="Train").first.click()
            page.wait_for_timeout(1000)
        if minute in (0, minutes - 1):
            sizes.append(size())
    return sizes[0], sizes[-1]


def speeds(page: Any) -> tuple[float, float]:
    """Return images a second in the playground, and in the loop with one thread."""
    from vaelib.widgets.playground import DEFAULT

    watched, alone = [], []
    for _ in range(3):
        page.get_by_role("button", name="Reset").click()
        page.wait_for_function(f"{COUNT} === 0")
        page.get_by_role("button", name="Train").click()
        page.wait_for_function(f"{COUNT} > 20", polling=20)
        began, first = time.perf_counter(), page.evaluate(COUNT)
        page.wait_for_function(f"{COUNT} > 210", polling=20)
        images = (page.evaluate(COUNT) - first) * DEFAULT.batch_size
        watched.append(images / (time.perf_counter() - began))
        page.get_by_role("button", name="Pause").click()

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        alone.append(len(DATA.train) / next(epochs_of(DEFAULT))[1])
        torch.set_num_threads(threads)
    return median(watched), median(alone)


# Choose every model in turn, one setting at a time, and then all of them in reverse.
SWITCH_MODELS = """async () => {
  const values = (name) => [
    ...document.querySelectorAll(`[aria-label="${name}"] input`),
  ];
  const path = [];
  let turn = 0;
  for (const [i, size] of values("Latents").entries())
    for (const loss of i % 2 ? values("Loss").reverse() : values("Loss"))
      for (const beta of turn++ % 2 ? values("β").reverse() : values("β"))
        path.push([size, loss, beta]);

  const frame = () => new Promise(requestAnimationFrame);
  const figures = document.querySelector(".figures");
  const timesOf = async (models) => {
    const times = [];
    for (const model of models) {
      const other = model.filter((input) => !input.checked);
      const before = figures.textContent;
      const began = performance.now();
      if (!other.length) continue;
      for (const input of other) input.click();
      while (figures.textContent === before) await frame();
      await frame(); // now it is painted
      if (other.length === 1) times.push(performance.now() - began);
    }
    return times;
  };
  return [await timesOf(path), await timesOf(path.reverse())];
}"""

ZOO = "zoo.py", "zoo.toml", "zoo-conv.toml"


def bench_zoo(folder: Path) -> list[Row]:
    """Measure the training of the book's models, and the change of model on a page."""
    real = import_real()
    files = [str(ROOT / "book" / name) for name in ZOO]
    command = [sys.executable, *files, "live"]
    trained = timed(lambda: subprocess.run(command, cwd=folder, check=True))

    (folder / "live" / "page.js").write_text(frontend.script(), "utf-8")
    style = f'<!doctype html><meta charset="utf-8"><style>{frontend.style()}</style>'
    script = '<script defer src="live/page.js"></script>'
    place = '<div class="live" data-widget="zoo" data-state="zoo/index"></div>'
    (folder / "zoo.html").write_text(style + script + place, "utf-8")
    with real.chromium() as browser:
        assert browser, NO_BROWSER
        page = browser.new_page(viewport={"width": 1100, "height": 1400})
        page.goto((folder / "zoo.html").as_uri())
        page.locator("[data-ready]").wait_for()
        not_loaded, loaded = page.evaluate(SWITCH_MODELS)

    what = "the models of the book, 40 trained and packed"
    rows = [Row(what, f"{trained:.0f} s", goal="at most 300 s")]
    for state, times in (("not yet loaded", not_loaded), ("loaded", loaded)):
        what = f"zoo, click to pixels, models {state}, p95 of {len(times)}"
        what += f" (median {median(times):.0f} ms)"
        rows.append(Row(what, f"{p95(times):.0f} ms", goal="at most 200 ms"))
    return rows
