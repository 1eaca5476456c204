"""helpers.lenet5: the architecture, the shipped weights, and files of weights whole, damaged or hostile."""

import io
import os
import pickle
import re
import shutil

import pytest
import torch
from torch import nn

from helpers import lenet5
from helpers.lenet5 import WEIGHTS, LeNet5, load_lenet5, save_lenet5

# name: (type, settings)
FEATURES = {
    "conv1": (nn.Conv2d, {"in_channels": 1, "out_channels": 6, "kernel_size": 5, "stride": 1, "padding": 2}),
    "relu1": (nn.ReLU, {}),
    "pool1": (nn.MaxPool2d, {"kernel_size": 2, "stride": 2, "padding": 0, "ceil_mode": False}),
    "conv2": (nn.Conv2d, {"in_channels": 6, "out_channels": 16, "kernel_size": 5, "stride": 1, "padding": 0}),
    "relu2": (nn.ReLU, {}),
    "pool2": (nn.MaxPool2d, {"kernel_size": 2, "stride": 2, "padding": 0, "ceil_mode": False}),
}
CLASSIFIER = [
    (nn.Flatten, {"start_dim": 1, "end_dim": -1}),
    (nn.Linear, {"in_features": 400, "out_features": 120}),
    (nn.ReLU, {}),
    (nn.Linear, {"in_features": 120, "out_features": 84}),
    (nn.ReLU, {}),
    (nn.Linear, {"in_features": 84, "out_features": 10}),
    (nn.LogSoftmax, {"dim": 1}),
]


def assert_is(layer, kind, settings):
    assert type(layer) is kind
    for name, value in settings.items():
        actual = getattr(layer, name)
        assert actual in (value, (value, value)), f"{name} is {actual}, not {value}"
    if kind is nn.Conv2d:
        assert (layer.dilation, layer.groups, layer.padding_mode) == ((1, 1), 1, "zeros")
    if kind in (nn.Conv2d, nn.Linear):
        assert layer.bias is not None


def test_the_feature_layers_are_as_specified():
    features = dict(LeNet5().features.named_children())
    assert list(features) == list(FEATURES)
    for name, (kind, settings) in FEATURES.items():
        assert_is(features[name], kind, settings)


def test_the_classifier_is_as_specified():
    classifier = list(LeNet5().classifier)
    assert len(classifier) == len(CLASSIFIER)
    for layer, (kind, settings) in zip(classifier, CLASSIFIER, strict=True):
        assert_is(layer, kind, settings)


def test_61706_parameters():
    assert sum(p.numel() for p in LeNet5().parameters()) == 61_706


def test_forward_is_features_then_classifier(model, images):
    with torch.no_grad():
        assert model.features(images).shape == (20, 16, 5, 5)
        assert model(images).shape == (20, 10)
        assert model(images).equal(model.classifier(model.features(images)))


def test_outputs_are_log_probabilities(model, images):
    with torch.no_grad():
        scores = model.double()(images.double())
    assert (scores <= 0).all()
    torch.testing.assert_close(scores.exp().sum(1), torch.ones(20, dtype=torch.float64), rtol=1e-12, atol=0)


def test_shipped_weights_reach_99_1_percent(model, test_set):
    images, labels = test_set
    with torch.no_grad():
        predicted = torch.cat([model(batch).argmax(1) for batch in images.split(1000)])
    assert (predicted == labels).sum() >= 9910


def test_a_loaded_model_is_in_eval_mode_and_float32(model):
    assert not any(module.training for module in model.modules())
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in model.parameters())


def test_save_and_load_give_the_same_model(tmp_path, images):
    torch.manual_seed(0)
    model = LeNet5()
    assert save_lenet5(model, folder=tmp_path) == tmp_path / "my_lenet5.pt"
    assert save_lenet5(model, "other", tmp_path) == tmp_path / "other.pt"
    for name in ("my_lenet5", "other"):
        loaded = load_lenet5(name, tmp_path)
        assert not loaded.training
        assert loaded.state_dict().keys() == model.state_dict().keys()
        assert all(loaded.state_dict()[key].equal(value) for key, value in model.state_dict().items())
    assert sorted(os.listdir(tmp_path)) == ["my_lenet5.pt", "other.pt"]


def test_saving_again_replaces_the_file(tmp_path):
    for _ in range(2):
        model = LeNet5()
        save_lenet5(model, folder=tmp_path)
    assert load_lenet5("my_lenet5", tmp_path).features.conv1.weight.equal(model.features.conv1.weight)


@pytest.mark.parametrize("name", ["lenet5", "LeNet5", "./lenet5", "folder/../lenet5"])
def test_the_shipped_weights_are_never_written_over(name, tmp_path, monkeypatch):
    shutil.copytree(WEIGHTS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "folder").mkdir()
    before = (tmp_path / "lenet5.pt").read_bytes()
    # Were the name let through, it should hit a copy.
    monkeypatch.setattr(lenet5, "WEIGHTS", tmp_path)
    with pytest.raises(ValueError, match="choose another"):
        save_lenet5(LeNet5(), name, tmp_path)
    assert (tmp_path / "lenet5.pt").read_bytes() == before


def test_an_interrupted_save_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    old = save_lenet5(LeNet5(), folder=tmp_path).read_bytes()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_lenet5(LeNet5(), folder=tmp_path)
    assert (tmp_path / "my_lenet5.pt").read_bytes() == old
    assert os.listdir(tmp_path) == ["my_lenet5.pt"]


def test_without_a_folder_own_weights_go_where_the_environment_says(tmp_path, monkeypatch):
    """The shipped ones stay where they are."""
    monkeypatch.setattr(lenet5, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setenv("INSIDE_LENET5_OUTPUT", str(tmp_path / "elsewhere"))
    shutil.copytree(WEIGHTS, tmp_path / "weights")
    model = LeNet5()
    assert save_lenet5(model, "other") == tmp_path / "elsewhere" / "weights" / "other.pt"
    assert load_lenet5("other").features.conv1.weight.equal(model.features.conv1.weight)
    assert load_lenet5().state_dict().keys() == model.state_dict().keys()
    monkeypatch.delenv("INSIDE_LENET5_OUTPUT")
    assert save_lenet5(model, "other") == tmp_path / "weights" / "other.pt"
    assert load_lenet5("other").features.conv1.weight.equal(model.features.conv1.weight)


def test_weights_that_were_saved_on_a_gpu_load_without_one(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    save_lenet5(LeNet5(), folder=tmp_path)
    with (tmp_path / "my_lenet5.pt").open("rb") as file:
        assert b"cuda:0" in file.read()
    assert load_lenet5("my_lenet5", tmp_path).features.conv1.weight.device.type == "cpu"


def test_missing_weights_are_named_with_the_way_to_get_them(tmp_path):
    with pytest.raises(FileNotFoundError, match="my_lenet5.pt; run notebook 01"):
        load_lenet5("my_lenet5", tmp_path)


def saved(thing) -> bytes:
    content = io.BytesIO()
    torch.save(thing, content)
    return content.getvalue()


def shipped() -> bytes:
    return (WEIGHTS / "lenet5.pt").read_bytes()


def one_flipped_byte() -> bytes:
    """In the middle of linear1's weights, which make up most of the file."""
    content = bytearray(shipped())
    content[len(content) // 2] ^= 0xFF
    return bytes(content)


def state_of_a_lenet5_with_larger_filters():
    model = LeNet5()
    model.features.conv1 = nn.Conv2d(1, 6, 7, padding=3)
    return saved(model.state_dict())


NO_FILE_OF_WEIGHTS = "is damaged, or is no file of weights that torch.load trusts: "
NO_LENET5 = "does not hold the weights of a LeNet-5: "

# what the file holds, and what is said of it
DAMAGED = {
    "empty": (lambda: b"", NO_FILE_OF_WEIGHTS),
    "cut to half": (lambda: shipped()[: len(shipped()) // 2], NO_FILE_OF_WEIGHTS),
    "last byte lost": (lambda: shipped()[:-1], NO_FILE_OF_WEIGHTS),
    "one byte flipped": (one_flipped_byte, NO_FILE_OF_WEIGHTS + "bad checksum of .*data"),
    "a text": (lambda: b"hello", NO_FILE_OF_WEIGHTS),
    "a web page": (lambda: b"<!DOCTYPE html><html><body>404: not found</body></html>", NO_FILE_OF_WEIGHTS),
    "the pointer that Git LFS leaves": (lambda: b"version https://git-lfs.github.com/spec/v1\n", NO_FILE_OF_WEIGHTS),
    "a whole model, not its weights": (lambda: saved(LeNet5()), NO_FILE_OF_WEIGHTS),
    "one layer lost": (
        lambda: saved({k: v for k, v in LeNet5().state_dict().items() if "conv2" not in k}),
        NO_LENET5 + "(?s:.*)Missing.*features.conv2.weight",
    ),
    "one layer too many": (
        lambda: saved({**LeNet5().state_dict(), "features.conv3.weight": torch.zeros(1)}),
        NO_LENET5 + "(?s:.*)features.conv3.weight",
    ),
    "larger filters": (
        state_of_a_lenet5_with_larger_filters,
        NO_LENET5 + r"(?s:.*)\[6, 1, 7, 7\].*\[6, 1, 5, 5\]",
    ),
    "not a number": (
        lambda: saved({k: v / 0 for k, v in LeNet5().state_dict().items()}),
        "holds weights that are NaN or infinite: that training went wrong",
    ),
    "another network": (lambda: saved(nn.Linear(2, 2).state_dict()), NO_LENET5),
    "only a tensor": (lambda: saved(torch.zeros(3)), NO_LENET5),
    "a list": (lambda: saved([1, 2]), NO_LENET5),
    "keys that are no names": (lambda: saved({1: torch.zeros(3)}), NO_LENET5),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_file_that_is_no_lenet5_is_a_value_error_that_names_it(damage, tmp_path):
    make, message = DAMAGED[damage]
    (tmp_path / "my_lenet5.pt").write_bytes(make())
    with pytest.raises(ValueError, match=rf"{re.escape(str(tmp_path))}.my_lenet5\.pt {message}"):
        load_lenet5("my_lenet5", tmp_path)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    path = save_lenet5(LeNet5(), folder=tmp_path)

    def refuse(file, *_, **__):
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(lenet5, "ZipFile", refuse)
    with pytest.raises(PermissionError, match="Permission denied"):
        load_lenet5("my_lenet5", tmp_path)
    assert path.is_file()


class Attack:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def pickled(thing) -> bytes:
    return pickle.dumps(thing, protocol=2)  # the one that torch.load expects; of another it warns


@pytest.mark.parametrize("disguise", [pickled, saved])
def test_code_in_a_file_of_weights_does_not_run(disguise, tmp_path):
    mark = tmp_path / "the code ran"
    path = tmp_path / "my_lenet5.pt"
    path.write_bytes(disguise({**LeNet5().state_dict(), "features.conv1.bias": Attack(str(mark))}))
    with pytest.raises(ValueError, match=r"my_lenet5\.pt"):
        load_lenet5("my_lenet5", tmp_path)
    assert not mark.exists()
    # The attack is a real one: it works on whoever trusts the file.
    if disguise is saved:
        torch.load(path, weights_only=False)
    else:
        pickle.loads(path.read_bytes())
    assert mark.is_dir()
