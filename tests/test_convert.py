"""`python -m minifcn.convert`: from a file of another framework to one that every command takes, or a look inside."""

from __future__ import annotations

import numpy as np
import pytest
from shared import shared_path

from minifcn import convert, models, weights
from minifcn.files import sha256
from minifcn.weights import known, layouts, table, writers
from minifcn.weights.layouts import LAYOUTS


@pytest.fixture
def torchvision(tmp_path, rng):
    """A narrow VGG16 by torchvision's names, five classes."""
    layout = next(layout for layout in LAYOUTS if layout.published == "vgg16-397923af")
    path = tmp_path / "vgg.pth"
    layout.write(path, layout.arrays(layouts.in_framework(table.trained(layout, rng), True)))
    return path


def test_a_classifier_becomes_a_file_to_train_from(torchvision, tmp_path, capsys):
    out = tmp_path / "start.safetensors"
    assert convert.main([str(torchvision), str(out), "--to", "fcn16s", "--classes", "11"]) == 0
    told = capsys.readouterr().out
    assert "30 arrays taken" in told and "not used: fc8.weight, fc8.bias" in told
    assert "left at their initial value: score_fr.weight, score_fr.bias, upscore2.weight" in told
    assert f"{out}: fcn16s, tiny, 11 classes; mean 103.53, 116.28, 123.675 (BGR)" in told
    net, about = weights.open_net(out)
    assert net.spec == models.build("fcn16s", 11, "tiny").spec
    assert about["source"] == "vgg.pth" and about["sha256"] == sha256(torchvision)
    assert about["mean"] == [103.53, 116.28, 123.675]
    assert net.params["fc6.weight"].data.any() and not net.params["score_fr.weight"].data.any()


def test_what_it_makes_of_a_whole_net_is_the_same_whatever_the_seed(torchvision, tmp_path):
    files = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for seed, path in enumerate(files):
        assert convert.main([str(torchvision), str(path), "--seed", str(seed)]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert weights.open_net(files[0])[0].spec["num_classes"] == 5


def test_the_user_s_word_overrides(torchvision, tmp_path, capsys):
    out = tmp_path / "a.safetensors"
    assert convert.main([str(torchvision), str(out), "--source", "caffe"]) == 0
    assert "Caffe's VGG16 by torchvision's names, as --source says" in capsys.readouterr().out
    assert weights.open_net(out)[1]["mean"] == [103.939, 116.779, 123.68]


def test_more_classes(tmp_path, rng, capsys):
    old = models.build("fcn8s", 5, "tiny", rng=rng)
    old.params["score_fr.weight"].data = rng.standard_normal(old.params["score_fr.weight"].data.shape, np.float32)
    weights.save(tmp_path / "old.safetensors", old, {"mean": [1.0, 2.0, 3.0]})
    files = [str(tmp_path / "old.safetensors"), str(tmp_path / "new.safetensors")]
    assert convert.main([*files, "--classes", "7", "--expand-score"]) == 0
    assert "reshaped: score_fr.weight" in capsys.readouterr().out
    net, about = weights.open_net(files[1])
    assert about["mean"] == [1, 2, 3] and net.spec == {**old.spec, "num_classes": 7}
    score = net.params["score_fr.weight"].data
    np.testing.assert_array_equal(score[:5], old.params["score_fr.weight"].data)
    assert score.shape[0] == 7 and not score[5:].any()


def test_more_classes_keep_the_names_and_colours_of_the_old_ones(tmp_path, rng):
    """Predictions of the larger net name and draw what it knows as before; a new class can be told from every other."""
    files = [str(tmp_path / "old.safetensors"), str(tmp_path / "new.safetensors")]
    classes, colours = ["sky", "road", "class 5"], [[9, 9, 9], [192, 0, 0], [0, 0, 128]]
    about = {"classes": classes, "palette": colours}
    weights.save(files[0], models.build("fcn8s", 3, "tiny", rng=rng), about)
    assert convert.main([*files, "--classes", "6", "--expand-score"]) == 0
    told = weights.open_net(files[1])[1]
    assert told["classes"] == [*classes, "class 3", "class 4", "class 5 of 6"]
    assert told["palette"][:3] == colours and told["palette"][3] == [128, 128, 0]  # VOC's class 3
    assert (
        len({tuple(colour) for colour in told["palette"]}) == len(told["palette"]) == 6
    )  # VOC's 4 is taken: [0, 0, 128]


def test_more_classes_in_one_of_several_tasks(tmp_path, rng):
    files = [str(tmp_path / "old.safetensors"), str(tmp_path / "new.safetensors")]
    about = {"classes": {"sem": ["sky", "sea"], "geo": ["up", "down"]}, "palette": {"sem": [[1, 2, 3], [4, 5, 6]]}}
    weights.save(files[0], models.build("fcn8s", {"sem": 2, "geo": 2}, "tiny", rng=rng), about)
    assert convert.main([*files, "--classes", "sem=3,geo=2", "--expand-score"]) == 0
    told = weights.open_net(files[1])[1]
    assert told["classes"] == {"sem": ["sky", "sea", "class 2"], "geo": ["up", "down"]}
    assert told["palette"] == {"sem": [[1, 2, 3], [4, 5, 6], [0, 128, 0]]}


def test_scores_that_are_still_to_be_learned_are_told_last(tmp_path, rng, capsys):
    files = [str(tmp_path / "old.safetensors"), str(tmp_path / "new.safetensors")]
    weights.save(files[0], models.build("fcn16s", 5, "tiny", rng=rng))
    assert convert.main([*files, "--classes", "3"]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told == "warning: left untrained: score_fr, score_pool4; train it before use"
    for flags in ([], ["--classes", "7", "--expand-score"], ["--to", "fcn8s"], ["--to", "fcn32s"]):
        assert convert.main([*files, *flags, "--overwrite"]) == 0
        assert "untrained" not in capsys.readouterr().out


def test_fewer_classes_are_not_thrown_away(tmp_path, rng, capsys):
    weights.save(tmp_path / "old.safetensors", models.build("fcn8s", 5, "tiny", rng=rng))
    out = tmp_path / "new.safetensors"
    for classes in ("3", "sem=5,geo=3"):
        assert convert.main([str(tmp_path / "old.safetensors"), str(out), "--classes", classes, "--expand-score"]) == 2
        assert "--expand-score" in capsys.readouterr().err and not out.exists()


def test_another_stride_keeps_the_padding(tmp_path, rng):
    weights.save(tmp_path / "a.safetensors", models.build("fcn32s", 5, "tiny", 100, rng))
    files = [str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")]
    assert convert.main([*files, "--to", "fcn8s"]) == 0
    assert weights.open_net(files[1])[0].spec == models.build("fcn8s", 5, "tiny", 100).spec
    assert convert.main([*files, "--to", "fcn8s", "--input-padding", "same", "--overwrite"]) == 0
    assert weights.open_net(files[1])[0].spec["input_padding"] == "same"


def test_no_file_is_replaced_unasked(torchvision, tmp_path, capsys):
    out = tmp_path / "a.safetensors"
    out.write_bytes(b"mine")
    assert convert.main([str(torchvision), str(out)]) == 2
    assert "a.safetensors: would be replaced; say --overwrite" in capsys.readouterr().err
    assert out.read_bytes() == b"mine"
    assert convert.main([str(torchvision), str(out), "--overwrite"]) == 0
    before = out.read_bytes()
    assert convert.main([str(out), str(tmp_path / "." / "a.safetensors"), "--overwrite"]) == 2
    assert f"would replace {out}, which is read" in capsys.readouterr().err and out.read_bytes() == before


def test_no_net_is_written_that_is_in_part_of_chance(tmp_path, rng, capsys):
    state = models.build("vgg16", 5, "tiny", rng=rng).state_dict()
    out = tmp_path / "out.safetensors"
    for lacks, flags, status, message in (
        ((), ["--to", "fcn32s", "--preset", "small"], 2, "its conv1_1 is 8 wide, preset small's 24; --preset tiny"),
        (("conv3_2",), ["--to", "vgg16"], 2, "has not all of vgg16, nothing is written: left untrained: conv3_2"),
        (("conv3_2",), ["--to", "fcn32s"], 2, "has not all of fcn32s, nothing is written: left untrained: conv3_2"),
        (("fc6", "fc7"), ["--to", "vgg16"], 2, "left untrained: fc6, fc7"),
        (("fc8",), ["--to", "vgg16"], 2, "has not all of vgg16, nothing is written: not there: fc8.weight"),
        (("fc6", "fc7"), ["--to", "fcn32s"], 0, "warning: left untrained: fc6, fc7"),
    ):
        arrays = {key: array for key, array in state.items() if not key.startswith(lacks or "-")}
        writers.npz(tmp_path / "a.npz", arrays)
        assert convert.main([str(tmp_path / "a.npz"), str(out), *flags]) == status
        captured = capsys.readouterr()
        assert message in (captured.err if status else captured.out)
        assert out.exists() == (status == 0)


def test_a_mean_that_the_file_does_not_say(torchvision, tmp_path, rng, capsys):
    out = tmp_path / "a.safetensors"
    assert convert.main([str(torchvision), str(out), "--mean", "1,2,3"]) == 0
    assert weights.open_net(out)[1]["mean"] == [1, 2, 3]
    capsys.readouterr()
    arrays = layouts.caffe(layouts.in_framework(models.build("fcn32s", 40, "tiny", rng=rng), False))
    writers.caffemodel(tmp_path / "nyud.caffemodel", arrays)
    assert (
        convert.main([str(tmp_path / "nyud.caffemodel"), str(out), "--mean", "116.19,97.203,92.318", "--overwrite"])
        == 0
    )
    assert "40 classes, as NYUDv2's nets have, whose means differ" in capsys.readouterr().out
    assert weights.open_net(out)[1]["mean"] == [116.19, 97.203, 92.318]


def test_inspect_tells_what_is_in_a_file(torchvision, capsys):
    assert convert.main(["--inspect", str(torchvision)]) == 0
    lines = capsys.readouterr().out.splitlines()
    weight = weights.open_source(torchvision).arrays["conv3_1.weight"]
    (line,) = [line for line in lines if line.startswith("features.10.weight")]
    assert line.split()[1:] == ["32x16x3x3", f"{weight.mean():.4g}", f"{weight.std():.4g}"]
    rest = "\n".join(lines)
    assert f"sha256 {sha256(torchvision)}" in rest and "torch, 32 arrays" in rest
    assert "torchvision's VGG16, as features.0.weight has a standard deviation of 0.2" in rest
    assert "made for RGB 0..255 less 123.675, 116.28, 103.53, divided by 58.395, 57.12, 57.375" in rest
    assert "widths: conv1_1 8, conv2_1 16, conv3_1 32, conv4_1 64, conv5_1 64, fc6 128, fc7 128, fc8 5" in rest
    assert "a whole vgg16, preset tiny, 5 classes" in rest


def test_inspect_knows_a_published_file_by_its_hash(torchvision, monkeypatch, capsys):
    digest = sha256(torchvision)[:8]
    monkeypatch.setattr(known, "FILES", {"mine": known.Known("mine", "f", "my own file", hash=f"sha256:{digest}")})
    assert convert.main(["--inspect", str(torchvision)]) == 0
    assert "this is mine, my own file" in capsys.readouterr().out


def test_inspect_of_the_real_files(capsys):
    for name, told in (
        ("bvlc_googlenet.npz", "a whole googlenet, preset googlenet, 1000 classes"),
        ("hed_vgg16.npz", "conv4_1 512, conv5_1 512\n13 of the 16 layers of vgg16\n"),
        ("caffemodel/lenet_iter_10000.caffemodel", "its arrays fit none"),
    ):
        assert convert.main(["--inspect", str(shared_path(f"weights/{name}"))]) == 0
        out = capsys.readouterr().out
        assert told in out and ("made for BGR" in out) == ("lenet_iter" not in name)


def test_what_is_said_of_a_net_of_several_tasks(tmp_path, rng, capsys):
    """It divides its pictures by 64 itself, which is nobody's matter."""
    weights.save(tmp_path / "a.safetensors", models.build("fcn8s", {"sem": 1, "geo": 3}, "tiny", rng=rng))
    assert convert.main(["--inspect", str(tmp_path / "a.safetensors")]) == 0
    told = capsys.readouterr().out
    assert "a whole fcn8s, preset tiny, 1 sem class and 3 geo classes" in told and "divided" not in told
    assert convert.main([str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")]) == 0
    told = capsys.readouterr().out
    assert "fcn8s, tiny, 1 sem class and 3 geo classes; mean" in told and "  fcn8s, made for BGR 0..255 less" in told
    assert "assumed" not in told


def test_the_real_googlenet_becomes_a_native_file(tmp_path, capsys):
    path, out = shared_path("weights/bvlc_googlenet.npz"), tmp_path / "g.safetensors"
    assert convert.main([str(path), str(out)]) == 0
    net, about = weights.open_net(out)
    assert net.spec["name"] == "googlenet" and about["mean"] == [104, 117, 123] and about["sha256"] == sha256(path)
    blobs = np.load(path)
    for key, param in net.params.items():
        layer, _, kind = key.rpartition(".")
        np.testing.assert_array_equal(param.data.ravel(), blobs[f"{layer}.{int(kind == 'bias')}"].ravel())


def test_what_is_refused(torchvision, tmp_path, capsys):
    other, out = str(torchvision), str(tmp_path / "a.safetensors")
    (tmp_path / "text.caffemodel").write_text("not weights")
    for flags, message in (
        ([], "expected SRC and DST, or --inspect and SRC"),
        ([other], "expected SRC and DST"),
        ([other, out, "--inspect"], "expected SRC and DST"),
        ([other, str(tmp_path / "a.npz")], "a.npz: expected a name that ends in .safetensors"),
        ([str(tmp_path / "no.pth"), out], "no.pth: cannot be read"),
        ([str(tmp_path / "text.caffemodel"), out], "text.caffemodel: not a whole caffemodel"),
        ([other, out, "--mean", "grey"], "--mean: expected three numbers, such as 104,117,123, got 'grey'"),
        ([other, out, "--seed", "-1"], "--seed: expected a whole number of at least 0, got '-1'"),
        ([other, out, "--to", "fcn9s"], "invalid choice: 'fcn9s'; did you mean 'fcn8s'?"),
        ([other, out, "--preset", "vgg17"], "vgg17"),
        ([other, out, "--to", "googlenet"], "widths of its layers are of none"),
        ([other, str(tmp_path / "no" / "a.safetensors")], "there is no folder"),
        ([other, ""], "DST: expected the name of a file, got ''"),
        (["vgg16-torchvison", out], "did you mean 'vgg16-torchvision'"),
        ([str(tmp_path), out], "this is a folder"),
        (["--inspect", str(tmp_path)], "this is a folder"),
        ([other, out, "--input-padding", "100"], "vgg16: a classifier has the padding of the published net"),
    ):
        assert convert.main(flags) == 2, flags
        err = capsys.readouterr().err
        assert err.startswith("error: ") and message in err and err.count("\n") == 1, (flags, err)
    assert not (tmp_path / "a.safetensors").exists()


def test_the_list_of_published_files(capsys):
    assert convert.main(["--known"]) == 0
    out = capsys.readouterr().out
    assert "bvlc_googlenet.caffemodel: GoogLeNet as Caffe has it" in out
    assert "sha1:405fc5acd08a3bb12de8ee5e23a96bec22f08204; http://dl.caffe.berkeleyvision.org/bvlc_goo" in out
    assert "553,467,096 bytes, md5:64373286793e3c8b2b4e3219cbf3544b" in out
