"""helpers.lenet5: the architecture, the shipped weights, and files of weights whole, damaged or hostile."""

import io
import itertools
import os
import pickle
import re
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
from torch import nn

from helpers import lenet5
from helpers.lenet5 import SHIPPED, WEIGHTS, LeNet5, load_lenet5, save_lenet5

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


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_reach_99_1_percent(name, test_set):
    images, labels = test_set
    model = load_lenet5(name)
    with torch.no_grad():
        predicted = torch.cat([model(batch).argmax(1) for batch in images.split(1000)])
    assert (predicted == labels).sum() >= 9910


def test_the_six_that_ship_are_six_networks():
    filters = [load_lenet5(name).features.conv1.weight for name in SHIPPED]
    assert len(filters) == 6
    assert all((one - other).abs().max() > 0.1 for one, other in itertools.combinations(filters, 2))


def test_a_loaded_model_is_in_eval_mode_and_float32(model):
    assert not any(module.training for module in model.modules())
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in model.parameters())


def assert_same_weights(model, other):
    assert model.state_dict().keys() == other.state_dict().keys()
    assert all(weights.equal(other.state_dict()[name]) for name, weights in model.state_dict().items())


def test_save_and_load_give_the_same_model(tmp_path):
    model = LeNet5()
    assert save_lenet5(model, folder=tmp_path) == tmp_path / "my_lenet5.pt"
    assert save_lenet5(model, "other", tmp_path) == tmp_path / "other.pt"
    for name in ("my_lenet5", "other"):
        loaded = load_lenet5(name, tmp_path)
        assert not loaded.training
        assert_same_weights(loaded, model)
    assert sorted(os.listdir(tmp_path)) == ["my_lenet5.pt", "other.pt"]


def test_a_name_may_end_with_pt_and_a_folder_begin_with_the_home_of_the_user(tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    model = LeNet5()
    for name, folder in (("one.pt", "~"), ("two", "~"), ("~/three.pt", None), (tmp_path / "four.v2", None)):
        path = save_lenet5(model, name, folder)
        assert_same_weights(load_lenet5(name, folder), model)
        assert_same_weights(load_lenet5(path.name, tmp_path), model)
    assert sorted(os.listdir(tmp_path)) == ["four.v2.pt", "one.pt", "three.pt", "two.pt"]
    assert_same_weights(load_lenet5("lenet5.pt"), load_lenet5())


def nan_in_a_bias():
    model = LeNet5()
    model.features.conv2.bias.data[3] = torch.nan
    return model


def larger_filters():
    model = LeNet5()
    model.features.conv1 = nn.Conv2d(1, 6, 7, padding=3)
    return model


class Compiled(nn.Module):
    """Holds a model as torch.compile's does, which takes 7 seconds to make."""

    def __init__(self, model):
        super().__init__()
        self._orig_mod = model


# what can't be saved: (the model, the error, what is said of it)
UNSOUND = {
    "not a number": (
        nan_in_a_bias,
        ValueError,
        "model holds weights that are NaN or infinite ('features.conv2.bias'): that training went wrong",
    ),
    "larger filters": (
        larger_filters,
        ValueError,
        "model does not hold the weights of a LeNet5: 'features.conv1.weight' has the shape (6, 1, 7, 7), "
        "not (6, 1, 5, 5)",
    ),
    "in DataParallel": (
        lambda: nn.DataParallel(LeNet5()),
        TypeError,
        "model is a DataParallel; save_lenet5 needs a LeNet5: that is model.module",
    ),
    "compiled": (
        lambda: Compiled(LeNet5()),
        TypeError,
        "model is a Compiled; save_lenet5 needs a LeNet5: that is model._orig_mod",
    ),
}


@pytest.mark.parametrize("case", UNSOUND)
def test_a_good_file_is_never_replaced_by_one_that_could_not_be_loaded(case, tmp_path):
    make, error, message = UNSOUND[case]
    before = save_lenet5(LeNet5(), folder=tmp_path).read_bytes()
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        save_lenet5(make(), folder=tmp_path)
    assert (tmp_path / "my_lenet5.pt").read_bytes() == before
    assert os.listdir(tmp_path) == ["my_lenet5.pt"]


def test_saving_draws_no_random_numbers(tmp_path):
    model = LeNet5()
    before = torch.get_rng_state()
    save_lenet5(model, folder=tmp_path)
    assert torch.get_rng_state().equal(before)


def test_saving_again_replaces_the_file(tmp_path):
    for _ in range(2):
        model = LeNet5()
        save_lenet5(model, folder=tmp_path)
    assert load_lenet5("my_lenet5", tmp_path).features.conv1.weight.equal(model.features.conv1.weight)


@pytest.mark.parametrize(
    "name",
    [*SHIPPED, "LeNet5", "lenet5.pt", "Lenet5_Seed1.pt", "./lenet5", "folder/../lenet5", "folder/../lenet5_seed5"],
)
def test_the_shipped_weights_are_never_written_over(name, tmp_path, monkeypatch):
    shutil.copytree(WEIGHTS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "folder").mkdir()
    before = {path: path.read_bytes() for path in tmp_path.glob("*.pt")}
    # Were the name let through, it should hit a copy.
    monkeypatch.setattr(lenet5, "WEIGHTS", tmp_path)
    with pytest.raises(ValueError, match="choose another"):
        save_lenet5(LeNet5(), name, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.pt")} == before


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
    assert all(load_lenet5(name).state_dict().keys() == model.state_dict().keys() for name in SHIPPED)
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


def old_format(thing) -> bytes:
    """As torch.save wrote it before version 1.6: no zip."""
    content = io.BytesIO()
    torch.save(thing, content, _use_new_zipfile_serialization=False)
    return content.getvalue()


def another_zip() -> bytes:
    content = io.BytesIO()
    with ZipFile(content, "w") as archive:
        archive.writestr("a text", "hello")
    return content.getvalue()


WEB_PAGE = "is a page of HTML, not weights: the download went wrong; fetch the file itself"
REFUSED = (
    "as torch.save(model) writes them; they could run code, so they are refused. "
    "Save the weights alone: torch.save(model.state_dict(), ...)"
)
NO_LENET5 = "does not hold the weights of a LeNet5: "

# what the file holds, and all that is said of it
DAMAGED = {
    "empty": (lambda: b"", "is empty; fetch it, or save it, again"),
    "cut to half": (lambda: shipped()[: len(shipped()) // 2], "is damaged, as if only a part of it had been fetched"),
    "last byte lost": (lambda: shipped()[:-1], "is damaged, as if only a part of it had been fetched"),
    "one byte flipped": (one_flipped_byte, "is damaged: the checksum of archive/data/4 in it is wrong"),
    "the old format, cut": (
        lambda: old_format(LeNet5().state_dict())[:10_000],
        "is damaged, or is no file that torch.save has written",
    ),
    "a text": (lambda: b"hello", "is no file that torch.save has written: it begins with b'hello'"),
    "another zip": (another_zip, "is damaged, or is no file that torch.save has written"),
    "a web page": (lambda: b"<!DOCTYPE html><html><body>404: not found</body></html>", WEB_PAGE),
    "a web page after a mark of its encoding and an empty line": (lambda: b"\xef\xbb\xbf\n<html></html>", WEB_PAGE),
    "the pointer that Git LFS leaves": (
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "is a pointer of Git LFS, not the file itself; fetch that with `git lfs pull`",
    ),
    "a whole model, not its weights": (
        lambda: saved(LeNet5()),
        "holds Python objects (helpers.lenet5.LeNet5) besides tensors, " + REFUSED,
    ),
    "a whole model in the old format": (
        lambda: old_format(LeNet5()),
        "holds Python objects (helpers.lenet5.LeNet5) besides tensors, " + REFUSED,
    ),
    "a pickle": (lambda: pickle.dumps(LeNet5().state_dict()), "is damaged, or is no file that torch.save has written"),
    "one layer lost": (
        lambda: saved({k: v for k, v in LeNet5().state_dict().items() if "conv2" not in k}),
        NO_LENET5 + "'features.conv2.weight' is missing",
    ),
    "one layer too many": (
        lambda: saved({**LeNet5().state_dict(), "features.conv3.weight": torch.zeros(1)}),
        NO_LENET5 + "'features.conv3.weight' is unknown",
    ),
    "larger filters": (
        lambda: saved(larger_filters().state_dict()),
        NO_LENET5 + "'features.conv1.weight' has the shape (6, 1, 7, 7), not (6, 1, 5, 5)",
    ),
    "a name without a tensor": (
        lambda: saved({**LeNet5().state_dict(), "features.conv2.bias": 3}),
        NO_LENET5 + "'features.conv2.bias' is of the type int, not a tensor",
    ),
    "not a number": (
        lambda: saved({k: v / 0 for k, v in LeNet5().state_dict().items()}),
        "holds weights that are NaN or infinite ('features.conv1.weight'): that training went wrong",
    ),
    "infinite in single precision": (
        lambda: saved({**LeNet5().state_dict(), "features.conv2.bias": torch.full((16,), 1e200, dtype=torch.float64)}),
        "holds weights that are NaN or infinite ('features.conv2.bias'): that training went wrong",
    ),
    "another network": (
        lambda: saved(nn.Linear(2, 2).state_dict()),
        NO_LENET5 + "'features.conv1.weight' is missing and 'weight' is unknown",
    ),
    "another network in a dictionary": (
        lambda: saved({"epoch": 3, "model": nn.Linear(2, 2).state_dict()}),
        NO_LENET5 + "'features.conv1.weight' is missing and 'epoch' is unknown",
    ),
    "only a tensor": (
        lambda: saved(torch.zeros(3)),
        NO_LENET5 + "it is of the type Tensor, not a dictionary of tensors",
    ),
    "a list": (lambda: saved([1, 2]), NO_LENET5 + "it is of the type list, not a dictionary of tensors"),
    "nothing": (lambda: saved({}), NO_LENET5 + "'features.conv1.weight' is missing"),
    "keys that are no names": (
        lambda: saved({1: torch.zeros(3)}),
        NO_LENET5 + "'features.conv1.weight' is missing and 1 is unknown",
    ),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_file_that_is_no_lenet5_is_a_value_error_that_names_it(damage, tmp_path):
    make, message = DAMAGED[damage]
    path = tmp_path / "my_lenet5.pt"
    path.write_bytes(make())
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path} {message}')}$"):
        load_lenet5("my_lenet5", tmp_path)


def test_the_old_format_is_read(tmp_path):
    model = LeNet5()
    (tmp_path / "old.pt").write_bytes(old_format(model.state_dict()))
    assert_same_weights(load_lenet5("old", tmp_path), model)


def prefixed(prefix: str, state: dict) -> dict:
    return {prefix + name: weights for name, weights in state.items()}


# how the weights are wrapped: (the wrapping, what is said of it)
WRAPPED = {
    "DataParallel": (
        lambda model: nn.DataParallel(model).state_dict(),
        "wrapped by DataParallel, with 'module.' before each name",
    ),
    "torch.compile": (
        lambda model: Compiled(model).state_dict(),
        "wrapped by torch.compile, with '_orig_mod.' before each name",
    ),
    "both": (
        lambda model: prefixed("module._orig_mod.", model.state_dict()),
        "wrapped by DataParallel and torch.compile, with 'module._orig_mod.' before each name",
    ),
    "a larger model": (
        lambda model: nn.ModuleDict({"lenet": model}).state_dict(),
        "wrapped by a larger model, with 'lenet.' before each name",
    ),
    **{
        key: (
            lambda model, key=key: {
                "epoch": 3,
                "optimizer_state_dict": torch.optim.AdamW(model.parameters()).state_dict(),
                key: model.state_dict(),
            },
            f"in a dictionary, under {key!r}",
        )
        for key in ("model_state_dict", "state_dict", "model")
    },
    "all": (
        lambda model: {"state_dict": nn.DataParallel(model).state_dict(), "epoch": 3},
        "in a dictionary, under 'state_dict' and wrapped by DataParallel, with 'module.' before each name",
    ),
}


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_wrapped_weights_are_named_with_a_line_that_unwraps_them(wrapping, tmp_path):
    wrap, message = WRAPPED[wrapping]
    model = LeNet5()
    path = tmp_path / "my_lenet5.pt"
    torch.save(wrap(model), path)
    before = path.read_bytes()
    with pytest.raises(ValueError) as raised:
        load_lenet5("my_lenet5", tmp_path)
    message = rf"{re.escape(f'{path} holds the weights {message}')}; take them out with (.+), and load that file"
    exec(re.fullmatch(message, str(raised.value))[1], {"torch": torch})
    assert_same_weights(load_lenet5("my_lenet5_unwrapped", tmp_path), model)
    assert path.read_bytes() == before


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    path = save_lenet5(LeNet5(), folder=tmp_path)

    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
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
