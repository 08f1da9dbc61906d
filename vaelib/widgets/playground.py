"""Playground: training that is watched and steered while it runs."""

from __future__ import annotations

import atexit
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, ClassVar
from weakref import WeakSet

import anywidget
import torch
from ipywidgets import VBox
from traitlets import Bytes, Dict, List

from vaelib.config import ConfigError, TrainConfig, invalid
from vaelib.data import ImageData, load_dataset
from vaelib.losses import LOSSES
from vaelib.widgets import frontend
from vaelib.widgets.explorer import POINTS, LatentExplorer
from vaelib.widgets.session import Session

PERIOD = 0.075  # seconds between two looks at a model in training
WEIGHTS = 0.5  # and between two sets of weights for the explorer, which are much larger
GHOSTS = 4  # earlier curves that stay in sight
LATENTS = (2, 3, 5, 10, 20, 50)
SETS = {
    "mnist": dict(dataset="mnist", channels=1, image_size=28),
    "fashion_mnist": dict(dataset="fashion_mnist", channels=1, image_size=28),
    "sprites": dict(dataset="sprites", channels=1),
    "sprites, RGB": dict(dataset="sprites", channels=3),
}
OWN = "your data"
STEERED = (
    "beta",
    "beta_schedule",
    "loss",
    "latent_dim",
    "seed",
)  # and dataset, by its name on the menu

# A learning rate without a schedule: whoever moves beta late must not meet one that is spent.
DEFAULT = TrainConfig(epochs=20, lr=2e-3, lr_schedule="none", group="playground")


class Panel(anywidget.AnyWidget):
    """Controls, curves and pictures. Only the Playground writes it; what a hand does comes as messages."""

    _esm = frontend.module("playground")
    _css = frontend.style()
    choices = Dict().tag(sync=True)  # of each menu
    settings = Dict().tag(
        sync=True
    )  # where each control stands, and beta over the whole run
    frame = Dict().tag(sync=True)  # step, images a second, KL per latent, ...
    curve = Bytes().tag(sync=True)  # rows of step, recon, KL, beta
    fixed = Bytes().tag(sync=True)  # test images
    pictures = Bytes().tag(sync=True)  # their reconstructions, samples, traversals
    ghosts = List().tag(sync=True)  # earlier curves
    kept = List().tag(sync=True)  # runs that were written, and their figures

    def __repr__(self) -> str:
        return "Panel()"


class Playground(VBox):
    """Trains a VAE under your hands: data, beta and its schedule, loss, latent size and seed.

    `config`: where the controls begin, and all other settings; `data`: your own, beside the data sets by name. From Python:
    `train`, `pause`, `step`, `reset`, `keep`, `steer(beta=4)`, and `wait`. Nothing that is shown changes a result. A thread
    lives only while there is something to do, and one Playground trains at a time.
    Raises: ConfigError, DataError, one sentence each.
    """

    alive: ClassVar[WeakSet[Playground]] = WeakSet()

    def __init__(
        self, config: TrainConfig = DEFAULT, data: ImageData | None = None
    ) -> None:
        self.pause_others()  # also that of this cell, if it is run again
        if data:
            config = replace(config, dataset="tensors", channels=1, image_size=28)
        own = {
            key: getattr(config, key) for key in ("dataset", "channels", "image_size")
        }
        self.sets = SETS | (
            {OWN: own}
            if not any(entry.items() <= own.items() for entry in SETS.values())
            else {}
        )
        self.dataset = next(
            name for name, entry in self.sets.items() if entry.items() <= own.items()
        )
        self.loaded = {self.dataset: data} if data else {}
        self.config = config
        self.asked: SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]]] = (
            SimpleQueue()
        )
        self.lock, self.thread, self.closed = Lock(), None, False
        self.left, self.due, self.weights_due = (
            0.0,
            0.0,
            0.0,
        )  # updates to make; when to show
        self.began = time.monotonic(), 0
        self.message, self.error = "", None
        self.session = Session(config, self.load(self.dataset, config), self.dataset)
        self.explorer = LatentExplorer(
            self.session.state.model, self.session.few(POINTS)
        )
        self.panel = Panel(choices=self.choices(), fixed=self.session.fixed())
        self.panel.on_msg(self.hear)
        self.show()
        super().__init__([self.panel, self.explorer])
        self.alive.add(self)

    def __repr__(self) -> str:
        c, step = self.session.config, self.session.state.step
        return f"Playground({self.dataset}, {c.loss}, {c.latent_dim} latents, beta {self.config.beta:g}, {step} updates)"

    # What a hand or a cell may ask for; it takes effect before the next update.

    def train(self, steps: int | None = None) -> None:
        """Trains on, for `steps` updates or to the end of the last epoch; returns at once."""
        self.ask(self.run, math.inf if steps is None else steps)

    def pause(self) -> None:
        """Stands still after the update under way."""
        self.ask(self.run, 0)

    def step(self) -> None:
        """Makes one update."""
        self.ask(self.run, 1)

    def reset(self) -> None:
        """Begins anew with the same settings, standing still; the curve so far stays in sight."""
        self.ask(self.run, 0)
        self.ask(self.begin)

    def keep(self) -> None:
        """Writes the model as a run, as it is now."""
        self.ask(self.write)

    def steer(self, **settings: Any) -> None:
        """Moves controls: beta takes effect at once, all others begin a new model."""
        self.ask(self.change, settings)

    def wait(self) -> None:
        """Returns when all that was asked for is done. Raises: what went wrong since it was last called."""
        while thread := self.thread:
            thread.join()
        if error := self.error:
            self.error = None
            raise error

    def close(self) -> None:
        """Ends training, and takes the widget from the page."""
        self.end()
        for part in self.children:
            part.close()
        super().close()

    def end(self) -> None:
        """Ends the thread, for good."""
        self.alive.discard(self)
        self.closed = True
        if thread := self.thread:
            thread.join()

    def pause_others(self) -> None:
        """One training has the processor."""
        for other in list(self.alive - {self}):
            if other.thread:
                other.pause()

    def hear(self, panel: Panel, said: dict[str, Any], buffers: list[bytes]) -> None:
        """Takes what the page says: that it is there, a button, a control."""
        match said:
            case {"do": "hello"}:
                panel.send({"here": True})
            case {"do": "train" | "pause" | "step" | "reset" | "keep" as verb}:
                getattr(self, verb)()
            case {"set": dict(settings)}:
                self.steer(**settings)

    # The trainer: one thread does all that changes the model or the page.

    def ask(self, act: Callable[..., None], *arguments: Any) -> None:
        """Hands the trainer a task, and wakes it."""
        self.asked.put((act, arguments))
        with self.lock:
            if self.thread is None and not self.closed:
                self.thread = Thread(target=self.work, name="Playground", daemon=True)
                self.thread.start()

    def work(self) -> None:
        """Does what is asked, trains and shows, until there is nothing to do."""
        torch.set_num_threads(1)  # of this thread: the page needs the other core
        while True:
            try:
                self.turn()
            except Exception as error:  # it is told on the page, and wait() raises it
                self.error, self.left, self.message = error, 0, sentence(error)
                with suppress(Exception):
                    self.show()
            with self.lock:
                if self.closed or (self.asked.empty() and not self.left):
                    self.thread = None
                    return

    def turn(self) -> None:
        """All that was asked, then one update, then a look if it is due."""
        with suppress(Empty):
            while True:
                act, arguments = self.asked.get_nowait()
                self.due = 0  # an effect is to be seen at once
                act(*arguments)
        if self.left:
            self.session.advance()
            self.left = 0 if self.session.over else self.left - 1
        if not self.left or time.monotonic() >= self.due:
            self.show()

    def run(self, steps: float) -> None:
        """So many updates are left to make."""
        if steps and not self.session.over:
            self.message = ""
            self.pause_others()
        self.left = 0 if self.session.over else steps
        self.began = time.monotonic(), self.session.state.step

    def change(self, settings: dict[str, Any]) -> None:
        """Takes new settings if all of them can be had, or none. Raises: ConfigError, DataError."""
        settings = dict(settings)
        name = settings.pop("dataset", self.dataset)
        if name not in self.sets:
            raise invalid("dataset", name, f"give one of {', '.join(self.sets)}")
        if unknown := set(settings) - set(STEERED):
            raise ConfigError(
                f"{unknown.pop()} has no control: give dataset, {', '.join(STEERED)}."
            )
        config = replace(self.config, **self.sets[name], **settings)
        self.load(name, config)
        anew = name != self.dataset or bool(set(settings) - {"beta"})
        self.dataset, self.config, self.message = name, config, ""
        if anew:
            self.begin()
        else:
            self.session.change_beta(config.beta)

    def load(self, name: str, config: TrainConfig) -> ImageData:
        """A data set of the menu, unpacked once. Raises: DataError."""
        if name not in self.loaded:
            self.loaded[name] = load_dataset(
                config.dataset,
                config.binarize,
                config.channels,
                config.image_size,
                config.data_dir,
            )
        return self.loaded[name]

    def begin(self) -> None:
        """A new model, trained on if the old one was; the curve of that one stays in sight."""
        old, self.message = self.session, ""
        self.session = Session(
            self.config, self.load(self.dataset, self.config), self.dataset
        )
        if old.points:
            self.panel.ghosts = [
                *self.panel.ghosts,
                dict(label=old.label, unit=old.unit, curve=old.curve()),
            ][-GHOSTS:]
        self.panel.fixed = self.session.fixed()
        self.explorer.show(self.session.state.model, self.session.few(POINTS))
        self.began = time.monotonic(), 0

    def write(self) -> None:
        """Keeps the model as a run. Raises: RunError, OSError."""
        run, end = self.session.keep()
        figures = dict(
            step=end.step, recon=end.recon, kl=end.kl, neg_elbo=end.recon + end.kl
        )
        self.panel.kept = [
            *self.panel.kept,
            dict(path=run.path.as_posix(), label=self.session.label, **figures),
        ]

    # What is shown

    def choices(self) -> dict[str, list[Any]]:
        """What each menu offers."""
        latents = sorted({*LATENTS, self.config.latent_dim})
        return dict(
            dataset=list(self.sets),
            loss=list(LOSSES),
            latent_dim=latents,
            beta_schedule=["none", "linear", "cyclic"],
        )

    def show(self) -> None:
        """Brings the page up to the last update."""
        session, now, running = self.session, time.monotonic(), self.left > 0
        seconds, updates = now - self.began[0], session.state.step - self.began[1]
        kl = session.kl()
        settings = {name: getattr(self.config, name) for name in STEERED}
        with self.panel.hold_sync():
            self.panel.settings = dict(
                settings, dataset=self.dataset, plan=session.plan
            )
            self.panel.curve = session.curve()
            self.panel.pictures = session.pictures(kl)
            self.panel.frame = session.facts() | dict(
                kl=kl.tolist(),
                running=running,
                rate=round(updates * self.config.batch_size / seconds)
                if running and seconds
                else 0,  # no times at rest
                message=self.message,
            )
        if not running or now >= self.weights_due:
            self.explorer.show(session.state.model)
            self.weights_due = now + WEIGHTS
        self.due = time.monotonic() + PERIOD


@atexit.register
def end_all() -> None:
    """No thread may be inside torch when Python ends."""
    for playground in list(Playground.alive):
        playground.end()


def sentence(error: Exception) -> str:
    """What went wrong, in one line."""
    said = str(error).strip().splitlines()
    own = type(error).__module__.startswith("vaelib")
    return (
        said[0]
        if own and said
        else f"{type(error).__name__}: {said[0] if said else 'no more is known'}"
    )
