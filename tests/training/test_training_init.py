"""A run that starts from another framework's weights takes off the pictures what those were trained with."""

from __future__ import annotations

import numpy as np
import pytest

from minifcn import config, data, models, train, weights
from minifcn.config import mean_of
from minifcn.errors import ConfigError
from minifcn.training import session
from minifcn.weights import layouts, table
from minifcn.weights.layouts import LAYOUTS

SMALL = ["--data", "shapes:size=32,train=4,val=1", "--net", "fcn32s", "--batch-size", "2", "--iterations", "1"]
RGB_MEAN = [103.53, 116.28, 123.675]  # of torchvision's, as BGR 0..255


@pytest.fixture
def torchvision(tmp_path, rng):
    layout = next(layout for layout in LAYOUTS if layout.suffix == ".safetensors")
    path = tmp_path / "vgg16.safetensors"
    layout.write(path, layout.arrays(layouts.in_framework(table.trained(layout, rng), True)))
    return str(path)


def test_the_mean_of_a_file_reaches_batches_evaluation_and_the_weights(torchvision, tmp_path, monkeypatch, capsys):
    means = {"loader": [], "evaluate": []}

    class Loader(data.Loader):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            means["loader"].append(self.mean)

    def evaluate(*args, **kwargs):
        means["evaluate"].append(kwargs["mean"])
        return real(*args, **kwargs)

    real = session.evaluate
    monkeypatch.setattr(data, "Loader", Loader)
    monkeypatch.setattr(session, "evaluate", evaluate)
    assert train.main([*SMALL, "--init", torchvision, "--out", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "torchvision's VGG16 is another training than Caffe's" in out and 'mean = "103.53,116.28,123.675"' in out
    assert means == {"loader": [RGB_MEAN], "evaluate": [RGB_MEAN]}
    _, about = weights.open_net(tmp_path / "run" / "weights.safetensors")
    assert about["mean"] == RGB_MEAN

    assert train.main(["--resume", str(tmp_path / "run"), "--iterations", "2"]) == 0
    assert means["loader"] == [RGB_MEAN] * 2
    assert weights.open_net(tmp_path / "run" / "weights.safetensors")[1]["mean"] == RGB_MEAN


def test_the_first_weights_are_the_file_s(torchvision):
    settings = config.resolve({}, {"net": "fcn32s", "init": torchvision})
    net = train.build(settings, 5, initialise=True)
    expected = models.build("fcn32s", 5, "tiny")
    weights.transplant(expected, torchvision)
    np.testing.assert_array_equal(net.params["fc6.weight"].data, expected.params["fc6.weight"].data)
    assert net.params["fc6.weight"].data.any() and not net.params["score_fr.weight"].data.any()


def test_a_mean_of_the_user_s_own():
    assert mean_of(config.resolve({}, {})) == list(data.MEAN_BGR)
    assert mean_of(config.resolve({}, {"mean": "1,2.5, 3"})) == [1, 2.5, 3]
    for text in ("grey", "1,2", "1,2,nan"):
        with pytest.raises(ConfigError, match="--mean expects three numbers, such as 104,117,123, got"):
            mean_of(config.resolve({}, {"mean": text}))
