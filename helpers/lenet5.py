"""LeNet-5, and the weights of six of them that ship with this project."""

import io
from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

from helpers.files import output_folder, write_atomically
from helpers.state_dicts import check_weights, load_weights

WEIGHTS = Path(__file__).resolve().parent / "weights"
SHIPPED = ("lenet5", *(f"lenet5_seed{seed}" for seed in range(1, 6)))
"""The names of the weights that ship with the project: one network, and five trained alike from other seeds."""


class LeNet5(nn.Module):
    """A convolutional network for 28×28 digits: two feature layers, three linear ones, 61,706 parameters.

    `features` maps images `(N, 1, 28, 28)` to 16 feature maps `(N, 16, 5, 5)`, `classifier` maps those to
    log-probabilities `(N, 10)`. Both are chains whose layers have names: `model.features.conv1.weight` is
    `(6, 1, 5, 5)`.

    Source: LeCun, Bottou, Bengio & Haffner (1998), section II.B; with ReLU, max pooling and log-softmax in the place of
    the original's squashing functions, subsampling and radial basis functions, and with every second-layer filter
    reading all 6 maps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(1, 6, kernel_size=5, padding=2),
                relu1=nn.ReLU(),
                pool1=nn.MaxPool2d(kernel_size=2, stride=2),
                conv2=nn.Conv2d(6, 16, kernel_size=5),
                relu2=nn.ReLU(),
                pool2=nn.MaxPool2d(kernel_size=2, stride=2),
            )
        )
        self.classifier = nn.Sequential(
            OrderedDict(
                flatten=nn.Flatten(),
                linear1=nn.Linear(400, 120),
                relu3=nn.ReLU(),
                linear2=nn.Linear(120, 84),
                relu4=nn.ReLU(),
                linear3=nn.Linear(84, 10),
                log_softmax=nn.LogSoftmax(dim=1),
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        """Log-probabilities `(N, 10)` of `images` `(N, 1, 28, 28)`.

        Raises:
            ValueError: the images have another shape.
        """
        if images.dim() != 4 or images.shape[1:] != (1, 28, 28):
            raise ValueError(f"images have the shape {tuple(images.shape)}; LeNet5 takes (N, 1, 28, 28)")
        return self.classifier(self.features(images))


def load_lenet5(name: str = SHIPPED[0], folder: Path | str | None = None) -> LeNet5:
    """A trained LeNet-5 in eval mode, on the CPU.

    Args:
        name: one of `SHIPPED`, `"lenet5"` to `"lenet5_seed5"`, for weights that ship with the project, `"my_lenet5"`
            for those that notebook 01 saves; with `.pt` at its end or without.
        folder: where the file lies, if not in `helpers/weights`. `~` is your home.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: it can't be read.
        ValueError: the file is damaged, holds more than tensors, weights that are wrapped or of another network, or NaN
            or infinity.
    """
    path = _path(name, folder)
    if not path.is_file():
        raise FileNotFoundError(f"there are no weights at {path}; run notebook 01, which trains and saves 'my_lenet5'")
    model = LeNet5()
    load_weights(model, path)
    return model.eval()


def save_lenet5(model: LeNet5, name: str = "my_lenet5", folder: Path | str | None = None) -> Path:
    """Write the weights of `model` to `folder/name.pt`, whole or not at all, and return that path.

    Without a folder they go to `helpers/weights`, where `load_lenet5` finds them. `~` is your home.

    Raises:
        TypeError: `model` is no LeNet5, so that `load_lenet5` could not read its weights.
        ValueError: `name` is empty, or one of `SHIPPED`, which are never written over; or the weights are
            NaN or infinite, or their shapes are not those of a LeNet-5.
        OSError: the folder does not exist or can't be written.
    """
    if not isinstance(model, LeNet5):
        inside = [name for name in ("module", "_orig_mod") if isinstance(getattr(model, name, None), LeNet5)]
        hint = f": that is model.{inside[0]}" if inside else ""
        raise TypeError(f"model is a {type(model).__name__}; save_lenet5 needs a LeNet5{hint}")
    path = _path(name, folder)
    # Some file systems take capitals and small letters for the same.
    if path.stem.casefold() in SHIPPED:
        raise ValueError(f"{name!r} is the name of shipped weights; choose another, such as 'my_lenet5'")
    state = model.state_dict()
    with torch.device("meta"):  # shapes without numbers, so that none is drawn at random
        check_weights(state, LeNet5(), "model")
    content = io.BytesIO()
    torch.save(state, content)
    write_atomically(path, content.getvalue())
    return path


def _path(name: str, folder: Path | str | None) -> Path:
    """Where the weights of that name lie, or will lie."""
    path = Path(name).expanduser()
    if not path.name:
        raise ValueError(f"name is {name!r}; it must be that of a file, such as 'my_lenet5'")
    if path.suffix != ".pt":
        path = path.with_name(f"{path.name}.pt")
    if folder is None:
        folder = WEIGHTS if path.parent == Path() and path.stem in SHIPPED else output_folder(WEIGHTS)
    return Path(folder).expanduser() / path
