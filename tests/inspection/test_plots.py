"""Plots: what is drawn is right, legible and repeatable. That they look good was judged by eye."""

import matplotlib.pyplot
import numpy as np
import pytest
from PIL import Image

from minifcn.data import VOC_PALETTE
from minifcn.inspection import canvas, plots
from minifcn.metrics import ConfusionMatrix


def log(steps):
    rows = [{"step": s, "loss": 2 / s, "lr": 0.1 / s, "seconds": 0.5 * s} for s in range(1, steps + 1)]
    rows[-1].update(pixel_accuracy=0.9, mean_accuracy=0.7, mean_iu=0.6, frequency_weighted_iu=0.89)
    return rows


def counted(num_classes):
    rng = np.random.default_rng(0)
    confusion = ConfusionMatrix(num_classes)
    confusion.matrix[:] = rng.integers(0, 50, (num_classes, num_classes))
    confusion.matrix[rng.random((num_classes, num_classes)) < 0.8] = 0
    confusion.matrix[np.arange(num_classes), np.arange(num_classes)] += 500
    confusion.matrix[0] = [100 * (k < 2) for k in range(num_classes)]  # neighbours of two digits, or one of three
    return confusion


def names(num_classes):
    return [f"pottedplant {k}" for k in range(num_classes)]


@pytest.fixture
def figure(monkeypatch):
    """Calls a plot and returns its figure, laid out, instead of saving it."""

    def make(plot, *arguments):
        caught = []
        monkeypatch.setattr(plots, "save", lambda figure, path: caught.append(figure))
        plot(*arguments, "unused.png")
        caught[0].set_dpi(150)
        caught[0].draw_without_rendering()
        return caught[0]

    return make


def overlapping(texts):
    """Pairs of texts whose boxes meet on the figure."""
    texts = [text for text in texts if text.get_text()]
    x0, y0, x1, y1 = np.array([text.get_window_extent().extents for text in texts]).T
    meet = (x0[:, None] < x1) & (x0 < x1[:, None]) & (y0[:, None] < y1) & (y0 < y1[:, None])
    return [(texts[i].get_text(), texts[j].get_text()) for i, j in np.argwhere(np.triu(meet, 1))]


def test_curves_draw_every_series(figure):
    loss, measures, rate = figure(plots.curves, log(40)).axes
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [2 / s for s in range(1, 41)])
    assert loss.get_yscale() == "log"  # it fell by more than 30
    assert sorted(line.get_ydata()[0] for line in measures.lines) == [0.6, 0.7, 0.89, 0.9]
    np.testing.assert_allclose(rate.lines[0].get_ydata(), [0.1 / s for s in range(1, 41)])
    assert "40 steps in 0 min 20 s" in loss.get_title(loc="left")
    assert {text.get_text() for text in measures.texts} >= {"mean IU 0.600", "pixel accuracy 0.900"}
    assert overlapping(measures.texts) == []


def test_curves_leave_gaps_out_and_read_text(figure):
    rows = [
        {"step": "1", "loss": "2.0", "lr": "0.1", "seconds": "1", "mean_iu": ""},
        {"step": "2", "loss": "nan", "lr": "0.1", "seconds": "", "mean_iu": "0.25"},
        {"step": "3", "loss": "1.0", "lr": "0.1"},
    ]
    loss, measures, _ = figure(plots.curves, rows).axes
    np.testing.assert_array_equal(loss.lines[0].get_xdata(), [1, 3])
    np.testing.assert_array_equal(measures.lines[0].get_xydata(), [[2, 0.25]])


def test_curves_show_where_stages_begin(figure):
    rows = [{**row, "stage": "fcn32s" if row["step"] <= 25 else "fcn16s"} for row in log(40)]
    for axes in figure(plots.curves, rows).axes:
        assert [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2] == [25.5]
    middle = figure(plots.curves, rows).axes[1]
    named = {text.get_text().strip(): text.get_position()[0] for text in middle.texts}
    assert (named["fcn32s"], named["fcn16s"]) == (0.5, 25.5)
    plain = figure(plots.curves, [{**row, "stage": "fcn8s"} for row in log(40)]).axes[1]
    assert "fcn8s" not in {text.get_text().strip() for text in plain.texts}


def test_curves_of_nothing(figure):
    loss, measures, _ = figure(plots.curves, []).axes
    assert loss.get_title(loc="left") == "nothing logged yet"
    assert measures.texts[0].get_text() == "not evaluated"


def test_running_mean_keeps_straight_lines():
    line = np.linspace(3, 1, 200)
    smooth = plots.smooth(line)
    np.testing.assert_allclose(smooth[4:-4], line[4:-4])
    np.testing.assert_allclose(plots.smooth(np.full(60, 2.0)), 2)


@pytest.mark.parametrize("heights", [[0.5, 0.5, 0.5, 0.5], [1, 1, 0.99, 0.2], [0.97, 0.1, 0.95, 0.9], [0.3]])
def test_spread_keeps_order_and_distance(heights):
    placed = np.array(plots._spread(heights, gap=0.09))
    order = np.argsort(heights, kind="stable")
    assert (np.diff(placed[order]) >= 0.09 - 1e-12).all()
    assert placed.max() <= 1


@pytest.mark.parametrize("num_classes", [1, 2, 12, 21, 60])
def test_confusion_is_legible_at_every_size(figure, num_classes):
    drawn = figure(plots.confusion, counted(num_classes), names(num_classes))
    axes = drawn.axes[0]
    assert overlapping(axes.get_xticklabels()) == []
    assert overlapping(axes.get_yticklabels()) == []
    assert overlapping([*axes.texts, *axes.get_yticklabels()]) == []
    assert min(text.get_fontsize() for text in axes.texts) >= 5


def test_confusion_shows_percent_of_the_truth(figure):
    confusion = ConfusionMatrix(3)
    confusion.matrix[:] = [[90, 10, 0], [1, 199, 0], [0, 0, 0]]
    axes = figure(plots.confusion, confusion, ["a", "b", "c"]).axes[0]
    numbers = [(text.get_position(), text.get_text()) for text in axes.texts if text.get_text().strip().isdigit()]
    # column + 0.5, and rows from the top: row 0 at 2.5. 1 of 200 is half a percent: shown, rounded to 0
    assert numbers == [((0.5, 2.5), "90"), ((1.5, 2.5), "10"), ((0.5, 1.5), "0"), ((1.5, 1.5), "100")]
    right = axes.child_axes[0].get_yticklabels()
    assert [text.get_text() for text in right] == ["-", f"{199 / 210:.2f}", f"{90 / 101:.2f}"]


def rows():
    truth = np.zeros((20, 30), np.uint8)
    truth[5:15, 10:20] = 2
    truth[:3] = 255
    image = np.full((20, 30, 3), 99, np.uint8)
    return [("first", image, truth, np.zeros_like(truth)), ("second", image[:10], truth[5:15], truth[5:15])]


def test_samples_show_labels_in_their_own_colours(tmp_path):
    plots.samples(rows(), ["ground", "cat", "dog"], VOC_PALETTE, tmp_path / "samples.png")
    sheet = np.asarray(Image.open(tmp_path / "samples.png"))
    # The truth is the second of three pictures, each in a box 340 wide, 16 apart, below 34 pixels of text.
    box = 340
    height = round(20 * box / 30)
    truth = sheet[34 : 34 + height, 16 + box + 16 : 16 + box + 16 + box]
    assert tuple(truth[10, 10]) == (255, 255, 255)  # ignored
    assert tuple(truth[height // 2, box // 2]) == tuple(VOC_PALETTE[2])
    assert tuple(truth[height // 2, 10]) == tuple(VOC_PALETTE[0])
    colours = {tuple(c) for c in truth.reshape(-1, 3)}
    assert colours == {(255, 255, 255), tuple(VOC_PALETTE[0]), tuple(VOC_PALETTE[2])}  # nothing was mixed


def test_samples_name_only_what_occurs_and_leave_labels_alone(tmp_path, monkeypatch):
    entries = []
    original = canvas.legend
    monkeypatch.setattr(canvas, "legend", lambda e, *rest: entries.extend(e) or original(e, *rest))
    given = rows()
    plots.samples(given, ["ground", "cat", "dog"], VOC_PALETTE, tmp_path / "samples.png")
    assert [name for name, _ in entries] == ["ground", "dog", "ignored"]
    for mine, theirs in zip(rows(), given, strict=True):
        np.testing.assert_array_equal(mine[2], theirs[2])
        np.testing.assert_array_equal(mine[3], theirs[3])


def test_stages_lie_between_picture_and_truth(tmp_path):
    path = tmp_path / "stages.png"
    given = [(name, image, truth, {"fcn32s": wrong, "fcn8s": truth % 255}) for name, image, truth, wrong in rows()]
    plots.stages(given, ["ground", "cat", "dog"], VOC_PALETTE, path)
    sheet = np.asarray(Image.open(path))
    middles = [tuple(sheet[34 + 87, 16 + k * 276 + 130]) for k in range(4)]  # boxes of 260, 16 apart
    assert middles == [(99, 99, 99), tuple(VOC_PALETTE[0]), tuple(VOC_PALETTE[2]), tuple(VOC_PALETTE[2])]


def test_overlay_tints_classes_and_spares_background():
    image = np.full((300, 400, 3), 200, np.uint8)
    label = np.zeros((300, 400), np.uint8)
    label[100:200, 100:200] = 1
    label[:20] = 255
    drawn = plots.overlay(image, label, VOC_PALETTE, ["background", "cat"])
    assert drawn.shape[0] > 300
    assert drawn.shape[1] == 400
    assert tuple(drawn[250, 300]) == (200, 200, 200)  # background
    assert tuple(drawn[5, 5]) == (200, 200, 200)  # ignored
    # 0.45 * 200 + 0.55 * (128, 0, 0)
    assert tuple(drawn[150, 150]) == (160, 90, 90)
    assert tuple(drawn[150, 199]) == (255, 255, 255)  # the border, beside label[150, 200] == 0
    tinted = plots.overlay(image, label, VOC_PALETTE, ["sky", "cat"])
    assert tuple(tinted[250, 300]) == (90, 90, 90)  # a first class of another name is a class like any


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (2, 3)])
def test_overlay_of_any_shape(shape):
    drawn = plots.overlay(np.zeros((*shape, 3), np.uint8), np.ones(shape, np.uint8), VOC_PALETTE, ["a", "b"])
    assert drawn.dtype == np.uint8
    assert max(drawn.shape[:2]) >= 256


def test_legend_fits_its_width_and_grows_for_a_long_name():
    entries = [(f"class {k}", (k, k, k)) for k in range(60)]
    assert canvas.legend(entries, 500, 13).width == 500
    assert canvas.legend([("a very long name of a class", (0, 0, 0))], 20, 13).width > 150
    assert canvas.legend(entries, 300, 13).height > canvas.legend(entries, 900, 13).height


def test_shorten_keeps_both_ends():
    short = canvas.shorten("2011_000003_with_a_long_middle_part.png", 150, 13)
    assert short.startswith("2011")
    assert short.endswith(".png")
    assert "…" in short
    assert canvas.font(13).getlength(short) <= 150
    assert canvas.shorten("cat.png", 150, 13) == "cat.png"


def test_same_input_same_bytes_and_no_global_figures(tmp_path):
    for folder in ("a", "b"):
        out = tmp_path / folder
        out.mkdir()
        plots.curves(log(40), out / "curves.png")
        plots.confusion(counted(5), names(5), out / "confusion.png")
        plots.samples(rows(), names(3), VOC_PALETTE, out / "samples.png")
    for name in ("curves.png", "confusion.png", "samples.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert b"matplotlib" not in (tmp_path / "a" / name).read_bytes().lower()
    assert matplotlib.pyplot.get_fignums() == []
