"""What is asked in assignment 4, and how it is marked: by what your functions return, not by how they do it."""

import numpy as np
from course import question, student

FILES = ("loss.py",)

loss = student("loss")


def batch(case):
    """Scores, and labels of which some are ignored: a share of 0, some, or 1."""
    n, classes, height, width = case["scores"]
    scores = case.normal("scores") * case.dtype.type(case["scale"])
    labels = case.integers("labels", classes, (n, height, width)).astype(case["labels"])
    labels[case.rng("ignored").random(labels.shape) < case["ignored"]] = case["ignore_index"]
    scores.flags.writeable = False
    labels.flags.writeable = False
    return scores, labels


def run(case):
    """What softmax_cross_entropy makes of the case."""
    told = {"reduction": case["reduction"]}
    if case["ignore_index"] != 255:
        told["ignore_index"] = case["ignore_index"]
    return loss.softmax_cross_entropy(*batch(case), **told)


@question("a", "the loss: a sum over pixels", 12, "Softmax over axis 1; then pick the label's entry of each pixel.")
def total(case, expect):
    expect("loss", run(case)[0])


@question("b", "the loss: ignored pixels, the mean, large scores", 16, "Leave ignored pixels out of both; no exp(800).")
def total_of_counted(case, expect):
    expect("loss", run(case)[0])


def run_another(case):
    """A forward pass of other scores, if the case asks for one: caches of others have nothing to do with it."""
    if case["other"]:
        n, classes, height, width = case["other"]
        labels = case.integers("other labels", classes, (n, height, width))
        loss.softmax_cross_entropy(case.normal("other scores", case["other"]), labels)


def gradient(case, expect):
    """dscores for the dy of the case."""
    run_another(case)
    _, cache = run(case)
    run_another(case)
    made = loss.softmax_cross_entropy_backward(case["dy"], cache)
    expect.true(isinstance(made, tuple) and len(made) == 1, "backward returns a tuple, here of one: (dscores,)")
    expect("dscores", made[0])


@question("c", "the gradient of the sum", 16, "Softmax, less 1 at the label.")
def slope(case, expect):
    gradient(case, expect)


@question("d", "the gradient: ignored pixels, the mean, any dy", 16, "What does not count gets 0; the rest dy / count.")
def slope_of_counted(case, expect):
    gradient(case, expect)


def maps(case):
    """Truth, of which some is ignored, and a prediction that is right for about half."""
    truth = case.integers("truth", case["classes"], case["shape"]).copy()
    prediction = np.where(
        case.rng("right").random(truth.shape) < 0.5, truth, case.integers("prediction", case["shown"], truth.shape)
    )
    truth[case.rng("ignored").random(truth.shape) < case["ignored"]] = case["ignore_index"]
    both = truth.astype(np.uint8), prediction.astype(np.uint8)
    for labels in both:
        labels.flags.writeable = False
    return both


@question("e", "confusion", 12, "Rows are the truth. Ignored pixels out first. 20 * 21 is more than uint8 holds.")
def counts(case, expect):
    told = {} if case["ignore_index"] == 255 else {"ignore_index": case["ignore_index"]}
    expect("matrix", loss.confusion(*maps(case), case["num_classes"], **told))


@question("f", "measures", 12, "A class that is nowhere has no IU: leave it out of the mean. 0 / 0 is no 0.")
def four(case, expect):
    made = loss.measures(drawn(case))
    names = ("pixel_accuracy", "mean_accuracy", "mean_iu", "frequency_weighted_iu")
    expect.true(isinstance(made, dict), f"measures must return a dictionary, got {type(made).__name__}")
    for name in names:
        expect.true(name in made, f"measures must return {', '.join(names)}; there is no {name!r}")
        expect(name, made[name])


def drawn(case):
    """A confusion matrix, drawn and not counted: how one is counted is question e."""
    matrix = case.integers("matrix", case["most"], (case["num_classes"],) * 2).copy()
    matrix[case["classes"] :] = 0  # not in the truth
    matrix[:, case["shown"] :] = 0  # nor predicted
    return matrix


@question("g", "predict", 8, "Softmax of equal scores is 1 / C for each class.")
def predict(case, expect):
    given = getattr(loss, case["name"])
    if case["decimals"] and given is not None:
        given = np.round(given, case["decimals"]).tolist()
    expect.answer(case["name"], given)


@question("h", "find the bug", 8, "Work out one pixel that counts and one that does not.")
def colleagues(case, expect):
    expect.answer(case["name"], loss.COLLEAGUES[case["name"]])
