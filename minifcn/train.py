"""`python -m minifcn.train`: trains a fully convolutional network and leaves everything about it in a folder.

Without arguments: FCN-8s with narrow layers on generated shapes, two minutes on two cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path

import numpy as np

from minifcn import backend, checkpoint, data, distributed, models, recipes, weights
from minifcn import config as configuration
from minifcn.command import Parser, add_memory_flag, reports_errors
from minifcn.config import TrainConfig
from minifcn.data import mean_of, num_classes_of
from minifcn.errors import CheckpointError, ConfigError
from minifcn.files import sha256
from minifcn.net import Net
from minifcn.optim import clip_gradients
from minifcn.training import checks, dry_run, rates
from minifcn.training.agreement import check_flags, check_settings
from minifcn.training.claim import Claim
from minifcn.training.folder import RunFolder
from minifcn.training.interrupt import Interrupt
from minifcn.training.objective import Objective
from minifcn.training.progress import Progress
from minifcn.training.scan import scan
from minifcn.training.session import Session
from minifcn.training.sets import augmentation, open_sets
from minifcn.training.stages import Stage, net_of, stage_lines, stages_of

EXAMPLES = """\
examples:
  minifcn train                                          shapes, FCN-8s tiny: two minutes
  minifcn train --recipe camvid --data camvid:DIR        street scenes from scratch
  minifcn train --overfit 4 --iterations 200             can it learn at all? four pictures, by heart
  minifcn train --stages 32s,16s,8s                      three nets, each from the one before, as in the paper
  minifcn train --init FILE --trunk-lr 0.1               a pretrained trunk learns slower than the scores
  minifcn train --net fcn8s-rgbd --data nyud:DIR         sees depth beside colours
  minifcn train --dry-run --net fcn32s --preset vgg16    what would it need? nothing is trained
  minifcn train --config settings.toml --lr 0.01         settings from a file, one of them changed
  minifcn train --resume runs/NAME                       goes on bit for bit after Ctrl-C
  mpiexec -n 4 minifcn train --distributed               each of four processes takes a quarter of every batch

exit status: 0 trained, 1 --dry-run found the data unfit, 2 bad input, 130 stopped by Ctrl-C
"""


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Parse, then train: alone, or as one of several processes."""
    argv = sys.argv[1:] if argv is None else argv
    # Joined before the flags are read, so that a slip in those of one process is told, and ends all.
    with distributed.joined("--distributed" in argv) as group, Claim() as claim:
        return run(_parser().parse_args(argv), group, claim)


def run(arguments: argparse.Namespace, group: distributed.Group, claim: Claim) -> int:
    """Build, check, loop. claim: takes the run's folder, for the process that leads."""
    check_flags(group, arguments)
    if arguments.resume:
        group.told(lambda: claim.take(RunFolder.existing(arguments.resume).path))
        config, saved = _resumed(arguments)
    else:
        config, saved = _new(arguments), None
    check_settings(group, config, saved)
    stages = stages_of(config)
    _echo(config, stages)

    for line in group.equip(config.threads, backend.for_device(config.device)):
        print(line)
    train, val = open_sets(config)
    samples = scan(train, val, config, group, arguments.dry_run, Path(arguments.resume) if saved else None)
    train, val = samples.train, samples.val
    if not config.mean and mean_of(train) != data.MEAN_BGR:  # where no weights have been trained with another
        config = dataclasses.replace(config, mean=",".join(map(str, mean_of(train))))
        print(f"  mean = {config.mean} ({train.name}'s own)")
    classes = num_classes_of(train)
    objective = Objective(config, train, group)

    # Before a batch is made, which may be too large itself.
    available = dry_run.available(arguments.memory_limit, objective.xp, group)
    designs = [design(config, stage, classes) for stage in stages]
    largest = dry_run.Largest(samples.largest("train"), samples.largest("val"))
    if not dry_run.fits(config, designs, largest, available, group.size, ask=arguments.dry_run):
        return dry_run.report(None, None, objective, train, val)

    with ExitStack() as stack:
        start = saved.state["step"] if saved else 0
        loader = data.Loader(
            train, config.batch_size, config.seed, augmentation(config), start_step=start * config.iter_size,
            mean=configuration.mean_of(config), modalities=models.modalities_of(config.net), xp=objective.xp,
            part=group.share(config.batch_size),
        )  # fmt: skip
        stack.enter_context(loader)
        stage = _stage_of(saved, stages) if saved else stages[0]
        net = build(config, classes, initialise=saved is None, stage=stage)
        first = loader.batch(start * config.iter_size)
        for line in (*rates.lines(net, config), *objective.sampling.warnings(net, first)):
            print(line)
        print(_rates(config, stage.lr, first, group))
        checks.output(net, first)
        checks.labels(first, classes)
        checks.trunk(net)
        if arguments.dry_run:
            return dry_run.report(net, first, objective, train, val)

        make = partial(RunFolder.create, arguments.out, config, claim)
        folder = RunFolder.existing(arguments.resume) if arguments.resume else RunFolder(Path(group.told(make)))
        print(f"run folder {folder}", flush=True)
        init = {"file": Path(config.init).name, "sha256": sha256(config.init)} if config.init and not saved else None
        session = Session(config, folder, stages, objective, loader, train, val, init)
        session.begin(stage, net)
        if saved:
            session.restore(saved)
            saved = None  # as large as weights and velocities
        if group.leads:
            samples.write(folder.path)
        if arguments.resume and group.leads:
            folder.write_config(config)  # only now: a run that cannot go on stays as it was

        stack.enter_context(checks.no_warnings())
        stop = stack.enter_context(Interrupt(group))
        every, last = config.log_every, stages[-1].end
        progress = stack.enter_context(Progress(session.step, last, every, group.leads, stop.output_lost))
        for following in stages[stage.index :]:
            if following is not stage:
                net = build(config, classes, initialise=True, stage=following)
                progress.say(f"{following.net} from {weights.transplant(net, session.net)}")
                session.begin(following, net)
            learn(session, progress, stop)
            if stop():
                told = sys.stderr if progress.silent else sys.stdout
                print(f"stopped after step {session.step}; go on with: {folder.to_go_on(group.size)}", file=told)
                return 130
            session.end()

    session.finish()
    return 0


def learn(session: Session, progress: Progress, stop: Interrupt) -> None:
    """The training loop: the steps of a stage, which is the whole of a plain run."""
    config, stage, net, sgd = session.config, session.stage, session.net, session.sgd
    with net.strict() if config.strict else nullcontext():
        session.complete(progress, stop)
        while session.step < stage.end and not stop():
            done = session.step - stage.start
            sgd.lr = recipes.learning_rate(config.lr_policy, stage.lr, done, stage.iterations)
            loss = session.objective.accumulate(net, session.loader, config.iter_size)
            session.record(loss)
            if done == 0 and config.loss_sampling == 1:  # a sample may be of nothing
                checks.gradients(net)
            if config.clip_norm:
                clip_gradients(net.params, config.clip_norm * config.iter_size)  # the norm of their mean
            sgd.step()
            if done + 1 == min(checks.SETTLED, (stage.iterations + 1) // 2):
                for line in checks.rounding(sgd, config.loss):
                    progress.say(line)
            net.zero_grads()  # what follows, an evaluation say, needs their memory
            session.advance(progress, stop)


def _parser() -> Parser:
    parser = Parser(prog="minifcn train", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("--config", metavar="FILE", default="", help="TOML file of settings; run folders have one")
    parser.add_argument("--out", metavar="DIR", default="", help="folder of the run [runs/DATE-NET-DATA]")
    parser.add_argument("--resume", metavar="RUN", default="", help="go on with the run in this folder")
    parser.add_argument("--distributed", action="store_true", help="one net on all processes that mpiexec starts")
    parser.add_argument("--dry-run", action="store_true", help="plan, memory, data, loss at start; trains nothing")
    add_memory_flag(parser)
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


def _resumed(arguments: argparse.Namespace) -> tuple[TrainConfig, checkpoint.Checkpoint | None]:
    """The settings and the checkpoint of a run; settings that its past depends on must be as they were.

    A run that was killed before its first checkpoint has none, and no past: it begins once more.
    """
    if arguments.config or arguments.out or arguments.dry_run:
        raise ConfigError("--resume goes on in a run's own folder with its settings: no --config, --out or --dry-run")
    folder = RunFolder.existing(arguments.resume)
    file = configuration.read_toml(folder.config)
    config = configuration.resolve(file, configuration.flags_given(arguments), where=str(folder.config))
    if not folder.checkpoint.is_file():
        print(f"{folder}: stopped before its first checkpoint; it begins once more")
        return config, None
    saved = checkpoint.load(folder.checkpoint)
    before = configuration.resolve(saved.state["config"], {}, where=str(folder.checkpoint))
    for name, old, new in configuration.differences(before, config):
        if not configuration.may_change(name, before, config):
            raise CheckpointError(
                f"{folder}: {name} was {old!r} and is now {new!r}, but a run goes on as it began (what may change: "
                f"{', '.join(sorted(configuration.FREE_ON_RESUME))}); for a new run from its weights, use --init"
            )
        print(f"changed: {name} = {new!r} (was {old!r})")
    stages = stages_of(config)
    stage = _stage_of(saved, stages)
    if not stage.start <= saved.state["step"] <= stage.end or stages_of(before)[: stage.index] != stages[: stage.index]:
        raise CheckpointError(
            f"{folder}: has made {saved.state['step']} steps already, "
            + (f"of stage {stage.net}: only its end and later stages may change, by --stage-iterations" if config.stages
               else f"more than --iterations {config.iterations}")
        )  # fmt: skip
    return config, saved


def _stage_of(saved: checkpoint.Checkpoint, stages: list[Stage]) -> Stage:
    """The stage that a checkpoint was made in."""
    for stage in stages:
        if saved.state.get("stage") in (stage.net, None):  # None: of a minifcn that had no stages
            return stage
    raise CheckpointError(f"{saved.path}: was made in a stage {saved.state['stage']!r}, which the run has not")


def _echo(config: TrainConfig, stages: list[Stage]) -> None:
    print(f"recipe {config.recipe}: {recipes.RECIPES[config.recipe]['source']}")
    single = [f"one stage only, the same as --net {stages[0].net}"] if config.stages and len(stages) == 1 else []
    for line in configuration.overrides(config) + stage_lines(stages) + single:
        print(f"  {line}")


def build(config: TrainConfig, num_classes: int | dict[str, int], initialise: bool, stage: Stage | None = None) -> Net:
    """The net of a stage (of none given, the first) with its first weights, on its device.

    [seed, stage, 2] is a stream that the loader draws nothing from.
    """
    stage = stage or stages_of(config)[0]
    net = design(config, stage, num_classes, np.random.default_rng([config.seed, stage.index, 2]))
    if config.init and initialise and not stage.index:
        print(weights.transplant(net, config.init))
    net.training = not config.overfit
    return net.to(backend.for_device(config.device))


def design(
    config: TrainConfig, stage: Stage, num_classes: int | dict[str, int], rng: np.random.Generator | None = None
) -> Net:
    """The net of a stage; without rng its weights take no memory, to plan with."""
    net = net_of(config, stage, num_classes, rng)
    rates.set_rates(net, config.trunk_lr, config.freeze)
    net.convolve_by(config.conv)
    return net


def _rates(config: TrainConfig, lr: float, batch: data.Batch, group: distributed.Group) -> str:
    """The learning rate and decay in both conventions of the loss. batch: this process's part of it."""
    counted, pictures = group.sum(np.array([(batch.labels != data.IGNORE).sum(), len(batch.names)]))
    if not counted:  # nothing to compare the two conventions over
        return (
            f"{config.loss} loss: lr {lr:.3g}, decay {config.weight_decay:.3g}; no pixel of the first batch is counted"
        )
    pixels = max(1, int(counted // pictures))
    if config.loss == "mean":
        other, (same, decay) = "sum", recipes.mean_to_sum(lr, config.weight_decay, pixels)
    else:
        other, (same, decay) = "mean", recipes.sum_to_mean(lr, config.weight_decay, pixels)
    return (
        f"{config.loss} loss: lr {lr:.3g}, decay {config.weight_decay:.3g}; "
        f"the same steps with the {other} over {pixels} counted pixels a picture: lr {same:.3g}, decay {decay:.3g}"
    )


if __name__ == "__main__":
    sys.exit(main())
