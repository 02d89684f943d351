"""`python -m minifcn.train`: trains a fully convolutional network and leaves everything about it in a folder.

Without arguments: FCN-8s with narrow layers on generated shapes, two minutes on two cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from minifcn import backend, checkpoint, data, models, parallel, recipes, weights
from minifcn import config as configuration
from minifcn.command import Parser, reports_errors
from minifcn.config import TrainConfig
from minifcn.errors import CheckpointError, ConfigError
from minifcn.files import sha256
from minifcn.net import Net
from minifcn.optim import MomentumSGD, clip_gradients
from minifcn.training import checks, dry_run, rates
from minifcn.training.folder import RunFolder
from minifcn.training.interrupt import Interrupt
from minifcn.training.objective import Objective
from minifcn.training.progress import Progress
from minifcn.training.session import Session
from minifcn.training.sets import augmentation, open_sets

EXAMPLES = """\
examples:
  minifcn train                                          shapes, FCN-8s tiny: two minutes
  minifcn train --recipe camvid --data camvid:DIR        street scenes from scratch
  minifcn train --overfit 4 --iterations 200             can it learn at all? four pictures, by heart
  minifcn train --dry-run --net fcn32s --preset vgg16    what would it need? nothing is trained
  minifcn train --config settings.toml --lr 0.01         settings from a file, one of them changed
  minifcn train --resume runs/NAME                       goes on bit for bit after Ctrl-C

exit status: 0 trained, 1 --dry-run found the data unfit, 2 bad input, 130 stopped by Ctrl-C
"""


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Parse, build, check, loop."""
    arguments = _parser().parse_args(argv)
    if arguments.resume:
        config, saved = _resumed(arguments)
    else:
        config, saved = _new(arguments), None
    _echo(config)

    if config.threads:
        parallel.set_threads(config.threads)
    train, val = open_sets(config)
    net = build(config, train.num_classes, initialise=saved is None)
    sgd = MomentumSGD(net.params, config.lr, config.momentum, config.weight_decay, config.iter_size)
    objective = Objective(config, train)
    for line in rates.lines(net, config):
        print(line)

    # Before a batch is made, which may be too large itself.
    fits, lines = dry_run.memory(net, dry_run.batch_shape(config, train), objective.xp)
    print(*lines, sep="\n", flush=True)
    if arguments.dry_run and not fits:
        return dry_run.report(net, None, objective, train, val)

    with ExitStack() as stack:
        start = saved.state["step"] if saved else 0
        loader = data.Loader(
            train, config.batch_size, config.seed, augmentation(config), start_step=start * config.iter_size,
            mean=configuration.mean_of(config),
        )  # fmt: skip
        stack.enter_context(loader)
        first = loader.batch(start * config.iter_size)
        print(_rates(config, first))
        checks.output(net, first)
        checks.labels(first, train.num_classes)
        checks.trunk(net)
        if arguments.dry_run:
            return dry_run.report(net, first, objective, train, val)

        folder = RunFolder.existing(arguments.resume) if saved else RunFolder.create(arguments.out, config)
        print(f"run folder {folder}", flush=True)
        init = {"file": Path(config.init).name, "sha256": sha256(config.init)} if config.init and not saved else None
        session = Session(config, folder, net, sgd, objective, loader, val, init)
        if saved:
            session.restore(saved)
            folder.write_config(config)  # only now: a run that cannot go on stays as it was

        stack.enter_context(checks.no_warnings())
        if config.strict:
            stack.enter_context(net.strict())
        stop = stack.enter_context(Interrupt())
        progress = stack.enter_context(Progress(session.step, config.iterations, config.log_every))
        session.complete(progress, stop)
        while session.step < config.iterations and not stop():
            sgd.lr = recipes.learning_rate(config.lr_policy, config.lr, session.step, config.iterations)
            net.zero_grads()
            loss = objective.accumulate(net, loader, config.iter_size)
            session.record(loss)
            if session.step == 0:
                checks.gradients(net)
            if config.clip_norm:
                clip_gradients(net.params, config.clip_norm * config.iter_size)  # the norm of their mean
            sgd.step()
            session.advance(progress, stop)

    if stop():
        print(f"stopped after step {session.step}; go on with: minifcn train --resume {folder}")
        return 130
    session.finish(train.classes, train.palette)
    return 0


def _parser() -> Parser:
    parser = Parser(prog="minifcn train", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("--config", metavar="FILE", default="", help="TOML file of settings; run folders have one")
    parser.add_argument("--out", metavar="DIR", default="", help="folder of the run [runs/DATE-NET-DATA]")
    parser.add_argument("--resume", metavar="RUN", default="", help="go on with the run in this folder")
    parser.add_argument("--dry-run", action="store_true", help="plan, memory, data, loss at start; trains nothing")
    configuration.add_flags(parser)
    return parser


def _new(arguments: argparse.Namespace) -> TrainConfig:
    """The settings of a new run. Pictures lose the mean that the weights it starts from were trained with."""
    file = configuration.read_toml(Path(arguments.config)) if arguments.config else {}
    config = configuration.resolve(file, configuration.flags_given(arguments), where=arguments.config)
    if config.init and not config.mean:
        mean = ",".join(f"{value:.10g}" for value in weights.open_source(config.init).pictures.bgr_mean)
        config = dataclasses.replace(config, mean=mean)
    configuration.mean_of(config)  # if it is none, this is told before there is any work
    return config


def _resumed(arguments: argparse.Namespace) -> tuple[TrainConfig, checkpoint.Checkpoint]:
    """The settings and the checkpoint of a run; settings that its past depends on must be as they were."""
    if arguments.config or arguments.out or arguments.dry_run:
        raise ConfigError("--resume goes on in a run's own folder with its settings: no --config, --out or --dry-run")
    folder = RunFolder.existing(arguments.resume)
    file = configuration.read_toml(folder.config)
    config = configuration.resolve(file, configuration.flags_given(arguments), where=str(folder.config))
    saved = checkpoint.load(folder.checkpoint)
    before = configuration.resolve(saved.state["config"], {}, where=str(folder.checkpoint))
    for name, old, new in configuration.differences(before, config):
        if name not in configuration.FREE_ON_RESUME:
            raise CheckpointError(
                f"{folder}: {name} was {old!r} and is now {new!r}, but a run goes on as it began (what may change: "
                f"{', '.join(sorted(configuration.FREE_ON_RESUME))}); for a new run from its weights, use --init"
            )
        print(f"changed: {name} = {new!r} (was {old!r})")
    if config.iterations < saved.state["step"]:
        raise CheckpointError(
            f"{folder}: has made {saved.state['step']} steps already, more than --iterations {config.iterations}"
        )
    return config, saved


def _echo(config: TrainConfig) -> None:
    print(f"recipe {config.recipe}: {recipes.RECIPES[config.recipe]['source']}")
    for line in configuration.overrides(config):
        print(f"  {line}")


def build(config: TrainConfig, num_classes: int, initialise: bool) -> Net:
    """The net with its first weights, on its device. [seed, 0, 2] is a stream that the loader draws nothing from."""
    padding = None if config.input_padding == "preset" else config.input_padding
    net = models.build(config.net, num_classes, config.preset, padding, np.random.default_rng([config.seed, 0, 2]))
    if config.init and initialise:
        print(weights.transplant(net, config.init))
    rates.set_rates(net, config.trunk_lr, config.freeze)
    net.training = not config.overfit
    return net.to(backend.for_device(config.device))


def _rates(config: TrainConfig, batch: data.Batch) -> str:
    """The learning rate and decay in both conventions of the loss."""
    pixels = max(1, int((batch.labels != data.IGNORE).sum()) // len(batch.names))
    if config.loss == "mean":
        other, (lr, decay) = "sum", recipes.mean_to_sum(config.lr, config.weight_decay, pixels)
    else:
        other, (lr, decay) = "mean", recipes.sum_to_mean(config.lr, config.weight_decay, pixels)
    return (
        f"{config.loss} loss: lr {config.lr:.3g}, decay {config.weight_decay:.3g}; "
        f"the same steps with the {other} over {pixels} counted pixels a picture: lr {lr:.3g}, decay {decay:.3g}"
    )


if __name__ == "__main__":
    sys.exit(main())
