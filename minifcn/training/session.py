"""A run under way: counts its steps, and evaluates, saves and reports when due."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np

from minifcn import checkpoint, data, weights
from minifcn.backend import Array
from minifcn.config import TrainConfig, mean_of
from minifcn.data.dataset import Dataset, told_of
from minifcn.errors import counted, printable
from minifcn.inference import evaluate, label_maps
from minifcn.inspection import plots
from minifcn.metrics import ConfusionMatrix, Scores, table
from minifcn.net import Net
from minifcn.optim import MomentumSGD
from minifcn.training import checks
from minifcn.training.folder import Log, RunFolder
from minifcn.training.interrupt import Interrupt
from minifcn.training.objective import Objective
from minifcn.training.progress import Progress
from minifcn.training.stages import Stage, stage_table


class Session:
    """What the loop of `minifcn.train` works with. `step` is the number of updates made."""

    def __init__(
        self,
        config: TrainConfig,
        folder: RunFolder,
        stages: list[Stage],
        objective: Objective,
        loader: data.Loader,
        train: Dataset,
        val: Dataset,
        init: dict[str, str] | None = None,
    ) -> None:
        self.config, self.folder, self.stages = config, folder, stages
        self.objective, self.loader = objective, loader
        self.group = objective.group
        self.val = val
        self.mean = mean_of(config)  # of the pictures
        self.init = init  # file and sha256 of the weights that it began with
        self.log = Log(folder.log, [task.name for task in data.tasks_of(train)[1:]], self.group.leads)
        self.step = 0
        self.stage: Stage
        self.net: Net
        self.sgd: MomentumSGD
        self._tasks = data.tasks_of(train)
        self._evaluated = True  # whether an evaluation that the current step calls for has been made
        self._saved: tuple[Stage, int, bool] | None = None
        self._scores: list[Scores] = []  # of each task
        self._seconds = 0.0  # in earlier sittings
        self._since = time.perf_counter()

    def begin(self, stage: Stage, net: Net) -> None:
        """From now on `net` is trained, as `stage` says; the momentum of the stage before is forgotten."""
        config = self.config
        self.stage, self.net = stage, net
        self.sgd = MomentumSGD(net.params, stage.lr, config.momentum, config.weight_decay, config.iter_size)

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Goes on where a checkpoint was made, in the stage that has begun."""
        checkpoint.restore(saved, self.net, self.sgd)
        self.group.check_alike(self.net)
        self.step = saved.state["step"]
        self.init = saved.state.get("init")
        # A run that was complete is evaluated once more, to be reported.
        self._evaluated = saved.state["evaluated"] and self.step < self.stages[-1].end
        self._saved = self.stage, self.step, self._evaluated
        self._seconds = saved.state["seconds"]
        self.log.go_on(self.step)
        self._expect()

    def record(self, loss: Array) -> None:
        """Notes the loss of the step under way. On the CPU, and at times on a GPU, makes sure that it is finite."""
        self.log.record(self.step + 1, loss, self.sgd.lr, self._elapsed(), self.stage.net)
        if self.objective.xp is np or self._due(self.step + 1):
            self._settle()

    def advance(self, progress: Progress, stop: Interrupt) -> None:
        """One more update is made: evaluates and saves if it is time to, or if `stop()`."""
        self.step += 1
        stop.agree()
        progress.step(self.step, self.log.rows[-1]["loss"] if self.log.rows else None, self.sgd.lr)
        self._evaluated = not self._evaluation_due()
        self.complete(progress, stop)

    def complete(self, progress: Progress, stop: Interrupt) -> None:
        """What is still to be done after the current step: also at a resume, when Ctrl-C had cut it short."""
        if not self._evaluated and not stop():
            confusions = self._evaluate(stop)
            if confusions is not None:
                self._evaluated, self._scores = True, [confusion.scores() for confusion in confusions]
                self.log.score(self._scores)
                for task, scores in zip(self._tasks, self._scores, strict=True):
                    progress.say(
                        f"step {self.step}: {printable(task.name)}{' ' * bool(task.name)}mean IU {scores.mean_iu:.4f}, "
                        f"pixel accuracy {scores.pixel_accuracy:.4f} on {printable(self.val.name)}"
                    )
        if self._due(self.step):
            self.group.told(self.log.write)
        every = self.config.checkpoint_every
        if stop() or self.step in (self.stage.start, self.stage.end) or (every and self.step % every == 0):
            self._save()  # at step 0 too: a disk without room for a checkpoint shows before hours are spent

    def end(self) -> None:
        """Leaves the weights of the stage that is complete in the folder."""
        about = {**told_of(self._tasks), "mean": self.mean, "source": "minifcn train"}
        if self.init:
            about["init"] = self.init
        self.group.told(lambda: weights.save(self._weights(self.stage), self.net, about))

    def finish(self) -> None:
        """Leaves pictures in the folder and prints what was reached."""
        self.group.told(self._finish)

    def _finish(self) -> None:
        plots.curves(self.log.rows, self.folder.curves)
        self._draw_samples()
        seen = counted(len(self.val), "picture")
        print(f"\n{printable(self.val.name)}, {seen}, after {self.step} steps in {self._elapsed():.0f} s\n")
        if len(self.stages) > 1:
            print(stage_table(self.stages, self.log.rows), end="\n\n")
        for task, scores in zip(self._tasks, self._scores, strict=True):  # the last step is always evaluated
            print(table(scores, task.classes, task.name))
        print(f"\n{self.folder}: " + ", ".join(self.folder.names()))

    def _settle(self) -> None:
        """Reads the losses that are still on the device, and explains one that is not finite."""
        bad = self.log.settle()
        if bad is None:
            return
        step, loss = bad
        first = (step - 1) * self.config.iter_size
        batches = iter([self.loader.batch(first + k) for k in range(self.config.iter_size)])
        self.log.write()
        raise checks.explain_loss(
            self.net, step, loss, self.stage.lr, self.config,
            rerun=lambda: self.objective.alone().accumulate(self.net, batches, self.config.iter_size),
        )  # fmt: skip

    def _evaluate(self, stop: Interrupt) -> list[ConfusionMatrix] | None:
        """On all pictures, each process on some of them; None if one was asked to stop in the middle."""
        mine = slice(self.group.rank, None, self.group.size)
        confusions = evaluate(
            self.net, self.val, progress=False, mean=self.mean, stop=lambda: stop.requested, part=mine
        )
        stop.agree()
        if self.group.any(confusions is None):
            return None
        for confusion in confusions or ():
            confusion.matrix = self.group.sum(confusion.matrix)
        return confusions

    def _save(self) -> None:
        self.group.check_alike(self.net)
        if self._saved == (self.stage, self.step, self._evaluated):
            return
        self._settle()
        self.group.told(self._write_checkpoint)
        self._saved = self.stage, self.step, self._evaluated
        self._expect()

    def _write_checkpoint(self) -> None:
        self.log.write()  # before the checkpoint: on resume, rows beyond it are cut off, but none may be missing
        state = {
            "stage": self.stage.net,
            "step": self.step,
            "evaluated": self._evaluated,
            "seconds": self._elapsed(),
            "init": self.init,
            "config": dataclasses.asdict(self.config),
        }
        checkpoint.save(self.folder.checkpoint, self.net, self.sgd, state)
        if 0 < self.step < self.stages[-1].end:
            plots.curves(self.log.rows, self.folder.curves)

    def _draw_samples(self, count: int = 4) -> None:
        """Samples spread over the validation set, with truth and prediction: of each stage, if there are several."""
        size = len(self.val)
        samples = [self.val[i * size // min(count, size)] for i in range(min(count, size))]
        predictions: list[dict[str, list[np.ndarray]]] = [{} for _ in samples]
        for stage in self.stages:
            net = self.net if stage == self.stage else weights.open_net(self._weights(stage))[0].to(self.objective.xp)
            for sample, labels in zip(samples, predictions, strict=True):
                labels[stage.title] = label_maps(net, sample.image, self.mean, beside=sample.beside)
        for k, task in enumerate(self._tasks):
            by_stage = [{title: labels[k] for title, labels in each.items()} for each in predictions]
            shown = list(zip(samples, by_stage, strict=True))
            path = self.folder.samples_of(task.name if k else "")
            about = task.classes, task.palette, path, self.val.ignore_index
            if len(self.stages) > 1:
                plots.stages([(s.name, s.image, s.labels[k], labels) for s, labels in shown], *about)
            else:
                last = self.stage.title
                plots.samples([(s.name, s.image, s.labels[k], labels[last]) for s, labels in shown], *about)

    def _expect(self) -> None:
        """From now on a process that is killed says that there is something to go on from."""
        go_on = self.folder.to_go_on(self.group.size)
        self.group.expect(f"The last checkpoint in {self.folder} is whole; go on with: {go_on}")

    def _weights(self, stage: Stage) -> Path:
        return self.folder.weights if stage == self.stages[-1] else self.folder.stage_weights(stage.net)

    def _evaluation_due(self) -> bool:
        every = self.config.eval_every
        return self.step == self.stage.end or bool(every and self.step % every == 0)

    def _due(self, step: int) -> bool:
        """Whether `step` is one to look at the losses and write the log."""
        config = self.config
        marks = (config.log_every, config.eval_every, config.checkpoint_every)
        return step == self.stage.end or any(every and step % every == 0 for every in marks)

    def _elapsed(self) -> float:
        return self._seconds + time.perf_counter() - self._since
