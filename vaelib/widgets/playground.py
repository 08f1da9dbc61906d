"""Playground: watch and control a training while it runs."""

from __future__ import annotations

import atexit
import math
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar
from weakref import WeakSet

from ipywidgets import VBox
from matplotlib.figure import Figure

from vaelib.checks import ConfigError, invalid
from vaelib.config import TrainConfig
from vaelib.data import DataError, ImageData, first_images, load_dataset
from vaelib.errors import error_message
from vaelib.stills import Still
from vaelib.widgets.explorer import POINTS, LatentExplorer
from vaelib.widgets.panel import Panel, choices, datasets_for, parsed, values
from vaelib.widgets.session import Session
from vaelib.widgets.worker import Worker

# Seconds between two updates of the panel, and between two sets of weights, which are
# much larger. For large models these are longer: most of the time is for training.
REFRESH_PERIOD, WEIGHTS_PERIOD = 0.075, 0.5
MAX_GHOSTS = 4  # curves of earlier models that stay in sight

# The learning rate has no schedule: a change of beta late in a run must have an effect.
DEFAULT = TrainConfig(epochs=20, lr=2e-3, lr_schedule="none", group="playground")


class Playground(Still, VBox):
    """Widget that trains a VAE while the user watches and changes its settings.

    The controls are the data, the number of training images, beta and its schedule, the
    loss, the latents, the seed, and the cures of Chapter 13. `config` gives their first
    values and all other settings; `data` are images of your own, beside the data sets.

    The methods `train`, `pause`, `step`, `reset`, `undo`, `keep` and `steer` do what
    the controls do, and return at once; `wait` returns when all of it is done. Training
    runs in a thread that exists only while there is work, and one Playground trains at
    a time. Nothing that is shown changes a result.

    Raises ConfigError or DataError if a setting or a data set cannot be used.

    Example:

    >>> import torch
    >>> from vaelib import ImageData, TrainConfig
    >>> from vaelib.widgets import Playground
    >>> images = torch.randint(0, 256, (64, 1, 8, 8), dtype=torch.uint8)
    >>> config = TrainConfig(latent_dim=2, batch_size=16, device="cpu")
    >>> playground = Playground(config, ImageData(images, images))
    >>> playground.train(5)
    >>> playground.wait()
    >>> playground.session.state.step
    5
    >>> playground.close()
    """

    instances: ClassVar[WeakSet[Playground]] = WeakSet()  # that are not closed

    def __init__(
        self, config: TrainConfig = DEFAULT, data: ImageData | None = None
    ) -> None:
        self.worker = Worker(self)
        self.pause_others()  # also the one of this cell, if the cell is run again
        if data is not None:
            if not isinstance(data, ImageData):
                kind = type(data).__name__
                raise DataError(f"data is of type {kind}: give ImageData(train, test).")
            config = replace(config, dataset="tensors", channels=1, image_size=28)
        self.config = config
        self.datasets, self.dataset = datasets_for(config)
        self.loaded = {} if data is None else {self.dataset: data}

        self.updates_left = 0.0
        self.refresh_due = self.weights_due = 0.0  # times of time.monotonic()
        self.started = time.monotonic(), 0  # time and step, for images per second
        self.message, self.error = "", None
        self.former: tuple[Session, TrainConfig] | None = None  # what undo brings back
        self.session = Session(config, self.load(self.dataset, config), self.dataset)
        few = self.session.with_test_images(POINTS)
        self.explorer = LatentExplorer(self.session.state.model, few)
        menus, given = choices(self.datasets, config), self.session.settings()
        self.panel = Panel(choices=menus, given=given, fixed=self.session.test_images())
        self.panel.on_msg(self.on_message)
        self.refresh()
        super().__init__([self.panel, self.explorer])
        self.instances.add(self)

    def __repr__(self) -> str:
        c, step = self.session.config, self.session.state.step
        model = f"{self.dataset}, {c.loss}, {c.latent_dim} latents"
        return f"Playground({model}, beta {self.config.beta:g}, {step} updates)"

    @property
    def figure(self) -> Figure:
        """Figure of the present model, that of its explorer."""
        return self.explorer.figure

    # Commands: each returns at once and takes effect before the next update.

    def train(self, steps: int | None = None) -> None:
        """Train for `steps` updates, or to the end of the last epoch."""
        self.worker.submit(self.set_updates, math.inf if steps is None else steps)

    def pause(self) -> None:
        """Stop training after the present update."""
        self.worker.submit(self.set_updates, 0)

    def step(self) -> None:
        """Make one update."""
        self.worker.submit(self.set_updates, 1)

    def reset(self) -> None:
        """Stop, and start a new model with the same settings."""
        self.worker.submit(self.set_updates, 0)
        self.worker.submit(lambda: self.start_session(self.dataset, self.config))

    def undo(self) -> None:
        """Stop, and go back to the last trained model that a new one has replaced."""
        self.worker.submit(self.set_updates, 0)
        self.worker.submit(self.show_former)

    def keep(self) -> None:
        """Write the present model as a run."""
        self.worker.submit(self.write_run)

    def steer(self, **settings: Any) -> None:
        """Change controls: a new beta has effect at once, others start a new model."""
        self.worker.submit(self.apply_settings, settings)

    def wait(self) -> None:
        """Return when all commands are done; raise the last error, if there is one."""
        self.worker.join()
        if error := self.error:
            self.error = None
            raise error

    def close(self) -> None:
        """Stop training for good, and remove the widget from the page."""
        self.end()
        for part in self.children:
            part.close()
        super().close()

    def end(self) -> None:
        """End the thread for good."""
        self.instances.discard(self)
        self.worker.close()

    def pause_others(self) -> None:
        """Pause all other Playgrounds: two trainings would share the processor."""
        for other in list(self.instances - {self}):
            if other.worker.thread:
                other.pause()

    def on_message(
        self, panel: Panel, content: dict[str, Any], buffers: list[bytes]
    ) -> None:
        """Handle a message from the page: its start, a button or a control."""
        match content:
            case {"do": "hello"}:
                panel.send({"here": True})
            case {"do": "train" | "pause" | "step" | "reset" | "undo" | "keep" as name}:
                getattr(self, name)()
            case {"set": dict(settings)}:
                self.steer(**settings)

    # Called in the thread of the worker only

    def turn(self) -> None:
        """Execute the waiting commands and make one update; refresh the page if due."""
        for function, arguments in self.worker.pending():
            self.refresh_due = 0  # the effect of a command is shown at once
            function(*arguments)
        if self.updates_left:
            self.session.advance()
            self.updates_left = 0 if self.session.finished else self.updates_left - 1
        if not self.updates_left or time.monotonic() >= self.refresh_due:
            self.refresh()

    def is_busy(self) -> bool:
        """Return whether updates are left to make."""
        return self.updates_left > 0

    def fail(self, error: Exception) -> None:
        """Show the error on the page, and stop training; `wait` raises the error.

        A setting that is refused changes nothing: then training goes on.
        """
        self.error, self.message = error, error_message(error)
        if not isinstance(error, ConfigError):
            self.updates_left = 0
        with suppress(Exception):
            self.refresh()

    def set_updates(self, updates: float) -> None:
        """Set the number of updates to make from now on."""
        if updates and not self.session.finished:
            self.message = ""
            self.pause_others()
        self.updates_left = 0 if self.session.finished else updates
        self.started = time.monotonic(), self.session.state.step

    def apply_settings(self, settings: dict[str, Any]) -> None:
        """Use new settings, also as text; if one of them is not valid, use none.

        Raises ConfigError or DataError.
        """
        settings = dict(settings)
        name = settings.pop("dataset", self.dataset)
        if name not in self.datasets:
            raise invalid("dataset", name, f"give one of {', '.join(self.datasets)}")
        config = replace(self.config, **self.datasets[name], **parsed(settings))
        self.load(name, config)

        if name != self.dataset or set(settings) - {"beta"}:  # a new model
            self.start_session(name, config)
        else:
            self.config, self.message = config, ""
            self.session.change_beta(config.beta)

    def load(self, name: str, config: TrainConfig) -> ImageData:
        """Return the images of the menu, loaded once. Raises DataError."""
        if name not in self.loaded:
            whole = replace(config, train_images=0)
            self.loaded[name] = load_dataset(*whole.data_source)
        return first_images(self.loaded[name], config.train_images)

    def start_session(self, name: str, config: TrainConfig) -> None:
        """Start a new model."""
        self.show_session(Session(config, self.load(name, config), name), config)

    def show_former(self) -> None:
        """Go back to the former model, if there is one."""
        if self.former:
            self.show_session(*self.former)

    def show_session(self, new: Session, config: TrainConfig) -> None:
        """Replace the model. The old one, if trained, can be had back."""
        old, ghosts = self.session, [*self.panel.ghosts]
        if old.points:
            ghosts.append(old.ghost())
        self.panel.ghosts = [g for g in ghosts if g != new.ghost()][-MAX_GHOSTS:]
        if old.state.step:
            self.former = old, self.config
        elif self.former and self.former[0] is new:
            self.former = None

        self.session, self.config, self.dataset = new, config, new.name
        self.message = ""
        self.panel.fixed = new.test_images()
        self.explorer.show(new.state.model, new.with_test_images(POINTS))
        self.started = time.monotonic(), new.state.step

    def write_run(self) -> None:
        """Write the model as a run, and show it. Raises RunError or OSError."""
        self.panel.kept = [*self.panel.kept, self.session.keep()]

    # What is shown

    def rate(self, now: float) -> int:
        """Return the images per second since the last start; 0 while paused."""
        started, first_step = self.started
        if not self.updates_left or now == started:
            return 0
        images = (self.session.state.step - first_step) * self.config.batch_size
        return round(images / (now - started))

    def refresh(self) -> None:
        """Bring the page up to date with the last update."""
        session, now, running = self.session, time.monotonic(), self.updates_left > 0
        kl = session.mean_kl()
        shown = dict(dataset=self.dataset, plan=session.plan)
        progress = dict(running=running, rate=self.rate(now), kl=kl.tolist())
        former = self.former[0].summary if self.former else ""
        texts = dict(message=self.message or session.failure, former=former)
        with self.panel.hold_sync():
            self.panel.settings = values(self.config) | shown
            self.panel.curve = session.curve()
            self.panel.pictures = session.pictures(kl)
            self.panel.frame = session.status() | progress | texts
        shown = time.monotonic()
        self.refresh_due = shown + max(REFRESH_PERIOD, 2 * (shown - now))
        if not running or now >= self.weights_due:
            self.explorer.show(session.state.model)
            sent = time.monotonic()
            self.weights_due = sent + max(WEIGHTS_PERIOD, 10 * (sent - shown))


@atexit.register
def end_all() -> None:
    """End all threads: none may be inside torch when Python exits."""
    for playground in list(Playground.instances):
        playground.end()
