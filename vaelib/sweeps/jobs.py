"""The runs of a sweep and how far each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field

from vaelib import config as configs
from vaelib import files, runs
from vaelib.config import ConfigError, TrainConfig
from vaelib.runfiles import Run, RunError
from vaelib.train import same_settings


@dataclass
class Job:
    """One run of a sweep, with its progress and the lock of its folder."""

    run: Run
    new: bool = True  # run_meta.json has to be written
    state: bytes | None = None  # content of state.pt
    lock: ExitStack = field(default_factory=ExitStack)

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.run.config.name

    @property
    def ended(self) -> int:
        """Number of finished epochs."""
        return len(self.run.rows)

    @property
    def finished(self) -> bool:
        """Whether all epochs are finished."""
        return self.ended >= self.run.config.epochs

    def read_progress(self) -> None:
        """Read from the folder how many epochs are finished.

        Raises ConfigError if the run in the folder has other settings, and RunError if
        the folder contains something else.
        """
        path = self.run.path
        if (path / "run_meta.json").exists():
            saved = runs.open_run(path)
            self.new = self.settings_of(saved) != saved.config
            saved.load_state()
            self.run.rows, self.run.facts = saved.rows, saved.facts
        elif path.exists() and (not path.is_dir() or runs.visible(path)):
            raise RunError(
                f"{path} is not an empty folder, and no run: give another --group."
            )

    def settings_of(self, saved: Run) -> TrainConfig:
        """Return the settings of a saved run, with the number of epochs asked for.

        Raises ConfigError if other settings differ from those of this job.
        """
        given = {
            name: value
            for name, value in asdict(self.run.config).items()
            if configs.section(name) != "run"
        }
        try:
            return same_settings(saved.config, given)
        except ConfigError as error:
            difference = str(error).partition(":")[0]
            raise ConfigError(
                f"in {saved.path} {difference}: "
                "give another --group, or the settings of that run."
            ) from None

    def acquire(self) -> None:
        """Lock the folder of the run and read its state.

        Raises RunLocked if another process has the lock, RunError, or OSError. The lock
        is released by `lock.close()`.
        """
        self.run.path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.enter_context(self.run.lock())
            self.run.remove_partial_files()
            self.read_progress()  # again: another sweep may have trained it
            file = self.run.path / "state.pt"
            self.state = file.read_bytes() if file.exists() else None
            self.lock = stack.pop_all()

    def write(self, written: dict[str, bytes], rows: list[dict[str, float]]) -> None:
        """Write the files that a worker returned, in their order: state.pt last."""
        for place, content in written.items():
            files.write(self.run.path / place, content)
        self.run.rows, self.state, self.new = rows, written["state.pt"], False
        if not self.run.facts:
            self.run.facts = runs.open_run(self.run.path).facts


def plan(grid: Sequence[TrainConfig]) -> list[Job]:
    """Return a job for each run of a grid, with its progress; write nothing.

    Raises ConfigError if a folder contains a run with other settings.
    """
    jobs = []
    for config in grid:
        job = Job(Run(runs.group_folder(config) / config.name, config))
        # A damaged run fails later, when it is started, and does not stop the others.
        with suppress(RunError):
            job.read_progress()
        jobs.append(job)
    return jobs


def summary(jobs: list[Job]) -> str:
    """Return how many runs there are, and how many are finished or begun."""
    finished = sum(job.finished for job in jobs)
    begun = sum(not job.new and not job.finished for job in jobs)
    return f"{len(jobs)} runs, {finished} finished, {begun} begun,"
