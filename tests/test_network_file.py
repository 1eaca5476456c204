"""The file of a network of one's own: its steps lead to the scores, and what can't be written is named."""

import copy
import json
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from networks import Dense, MnistExample, PreActivation, SmallCnn, Written, conv, ready, written
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from helpers.deconvnet import DeconvNet, scores_layer
from helpers.deconvnet.recipe import recipe_of
from helpers.lenet5 import load_lenet5
from helpers.network_file import save_network


def classifier(channels: int = 3, *layers: nn.Module) -> nn.Module:
    """A convolution to 4 maps of 8×8, then these layers; scores of 3 classes of what gives 256 numbers."""
    torch.manual_seed(0)
    return nn.Sequential(conv(channels, 4), nn.ReLU(), *layers, nn.Flatten(), nn.Linear(256, 3)).eval()


IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def read(path: Path) -> tuple[dict, dict[str, Tensor]]:
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert metadata["format"] == "deconvnet"
    return json.loads(metadata["network"]), load_file(path)


def walked(recipe: dict, tensors: dict[str, Tensor], image: Tensor, network: int = 0) -> list[Tensor]:
    """The values of an image `(C, H, W)`, by the steps alone."""
    values = [image[None]]
    for number, step in enumerate(recipe["steps"], start=1):
        inputs = [values[i] for i in step["inputs"]]
        part = lambda name: tensors.get(f"{network}.{number}.{name}", tensors.get(f"0.{number}.{name}"))  # noqa: B023, E731
        flat, x = torch.cat([one.flatten() for one in inputs]), inputs[0]
        match step["function"]:
            case "conv2d":
                settings = (step[name] for name in ("stride", "padding", "dilation", "groups"))
                y = F.conv2d(x, part("weight"), part("bias"), *settings)
            case "max_pool2d":
                settings = (step[name] for name in ("kernel", "stride", "padding", "dilation"))
                y = F.max_pool2d(x, *settings)
            case "adaptive_max_pool2d":
                y = F.adaptive_max_pool2d(x, step["shape"][-2:])
            case "relu":
                y = x.clamp(0, step.get("max"))
            case "linear":
                y = F.linear(flat, part("weight"), part("bias"))
            case "add":
                y = inputs[0] + step["alpha"] * inputs[1]
            case "local_response_norm":
                y = F.local_response_norm(x, step["size"], step["alpha"], step["beta"], step["k"])
            case "cat" | "reshape":
                y = flat
            case "take":
                index, constant = part("index").long(), part("constant")
                y = torch.cat([flat, flat.new_zeros(1)])[index] + (0 if constant is None else constant)
            case "scale":
                factor, shift = (
                    part(name).repeat_interleave(len(flat) // len(part(name))) for name in ("factor", "shift")
                )
                y = flat * factor + shift
            case "matrix":
                starts, columns = part("starts"), part("columns")
                rows = torch.arange(len(starts) - 1).repeat_interleave(starts.diff().long())
                sums = torch.zeros(step["planes"], len(starts) - 1)
                sums.index_add_(1, rows, flat.view(step["planes"], -1)[:, columns.long()] * part("weight"))
                y = sums.flatten() + part("shift").repeat_interleave(sums.numel() // len(part("shift")))
        values.append(y.reshape(step["shape"]))
    return values


def functions_of(recipe: dict) -> list[str]:
    return [step["function"] for step in recipe["steps"]]


NETWORKS = {
    "lenet5": (load_lenet5, (1, 28, 28)),
    "mnist example": (MnistExample, (1, 28, 28)),
    "32 and 64 maps": (SmallCnn, (1, 28, 28)),
    "residual": (lambda: classifier(3, conv(4), PreActivation(), nn.Conv2d(8, 4, 1)), (3, 8, 8)),
    "dense": (lambda: nn.Sequential(conv(), Dense(), nn.Conv2d(20, 4, 1), nn.Flatten(), nn.Linear(256, 3)), (3, 8, 8)),
    "normalised within": (
        lambda: written(
            lambda self, x: self.last(self.a((x - self.mean) / 0.3)).mean((2, 3)), mean=torch.rand(3, 1, 1)
        ),
        (3, 8, 8),
    ),
    "written over": (lambda: written(_written_over), (3, 8, 8)),
    "clamped": (lambda: written(lambda self, x: self.last(F.hardtanh(self.a(x), 0, 0.2)).flatten(1)), (3, 8, 8)),
    "pooled in rows": (
        lambda: written(lambda self, x: self.last(F.max_pool1d(self.a(x)[0], 2, 1)[None].relu()).flatten(1)),
        (3, 8, 8),
    ),
    "overlapping": (lambda: written(_overlapping), (3, 8, 8)),
    "up again": (
        lambda: written(lambda self, x: F.adaptive_max_pool2d(self.last(self.up(self.a(x))), 3).flatten(1), up=_up()),
        (3, 8, 8),
    ),
    "shuffled": (
        lambda: written(lambda self, x: F.pixel_shuffle(F.pad(self.last(self.a(x)), (1, 2)), 2).flip(3).flatten(1)),
        (3, 8, 8),
    ),
}


def _overlapping(self, x):
    x = self.a(x)
    x = F.local_response_norm(F.max_pool2d(x, 3, 1, 1), 3) - x
    return self.last(F.max_pool2d(torch.sub(x, x.relu(), alpha=0.5), 3, 2, 1)).flatten(1)


def _up() -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(8, 8, 2, 2), nn.Upsample(scale_factor=0.5, mode="bilinear"))


def _written_over(self, x):
    x = self.a(x).relu_()
    x[:, 0] = 0.5
    x[:, 1] = x[:, 2].flip(1)
    return self.last(torch.cat([x[:, :4], x[:, 4:] - 1], 1)).flatten(1)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_steps_lead_to_the_scores(name, path):
    make, shape = NETWORKS[name]
    model = ready(make()).float()
    images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(1))
    save_network(path, model, images)
    recipe, tensors = read(path)
    assert tensors["images"].equal(images)
    for image in images:
        trace = DeconvNet(model).record(image[None])
        values = walked(recipe, tensors, image)
        layers = {layer["name"]: values[layer["value"]] for layer in recipe["layers"]}
        assert scores_layer(trace) == list(layers)[-1]
        for layer, output in layers.items():
            torch.testing.assert_close(output, trace.activations[layer], rtol=1e-5, atol=1e-5)


def test_a_network_without_scores_is_written_up_to_its_last_layer(path):
    save_network(path, load_lenet5().features, torch.rand(2, 1, 28, 28))
    recipe, _ = read(path)
    assert recipe["classes"] == [] and recipe["layers"][-1]["name"] == "pool2"


def test_softmax_at_the_end_is_left_out(path):
    save_network(path, nn.Sequential(classifier(), nn.Softmax(1)).eval(), IMAGES)
    assert functions_of(read(path)[0]) == ["conv2d", "relu", "reshape", "linear"]


def test_names_labels_and_what_was_taken_off_come_along(path):
    labels = torch.tensor([2, 0])
    save_network(path, classifier(), (IMAGES - 0.5) / 0.25, labels, ["a", "b", "c"], mean=0.5, std=(0.25,) * 3)
    recipe, tensors = read(path)
    assert recipe["classes"] == ["a", "b", "c"] and recipe["mean"] == [0.5] * 3 and recipe["std"] == [0.25] * 3
    assert tensors["labels"].tolist() == [2, 0] and recipe["weights"] == ["trained"]


def trained_a_little() -> tuple[nn.Module, dict[str, dict[str, Tensor]]]:
    """A network with a batch normalisation and a transposed convolution, and its weights at three steps."""
    model = classifier(3, nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 4, 3, padding=1), nn.ReLU())
    states = {}
    for step in range(3):
        states[f"step {step}"] = {name: one.clone() for name, one in model.state_dict().items()}
        with torch.no_grad():
            for one in model[2:].parameters():
                one.add_(torch.randn(one.shape) / 10)
    return model, states


def test_each_set_of_weights_leads_to_its_scores(path):
    model, states = trained_a_little()
    save_network(path, model, IMAGES, checkpoints=states)
    recipe, tensors = read(path)
    assert recipe["weights"] == [*states, "trained"]
    for network, state in enumerate([*states.values(), model.state_dict()]):
        one = copy.deepcopy(model)
        one.load_state_dict(state)
        torch.testing.assert_close(walked(recipe, tensors, IMAGES[1], network)[-1], one(IMAGES[1:]).detach())
    # The first convolution has not learnt: it stands there once.
    assert "1.1.weight" not in tensors and "0.1.weight" in tensors


def test_a_last_set_that_is_the_model_s_own_comes_once(path):
    model, states = trained_a_little()
    save_network(path, model, IMAGES, checkpoints=states | {"the end": model.state_dict()})
    assert read(path)[0]["weights"] == [*states, "the end"]


def test_weights_that_are_zero_in_one_set_are_there_in_the_others(path):
    """Steps are tried out on numbers: what the first set's zeros look like may not decide."""
    model, states = trained_a_little()
    zeros = {name: torch.zeros_like(one) if name.startswith("3.") else one for name, one in states["step 0"].items()}
    save_network(path, model, IMAGES, checkpoints={"zeros": zeros})
    recipe, tensors = read(path)
    torch.testing.assert_close(walked(recipe, tensors, IMAGES[0], 1)[-1], model(IMAGES[:1]).detach())


def test_images_may_lie_in_memory_as_they_like(path):
    as_read = IMAGES.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    save_network(path, classifier(), as_read, labels=torch.arange(4)[::2])
    _, tensors = read(path)
    assert tensors["images"].equal(IMAGES) and tensors["labels"].tolist() == [0, 2]


def test_another_way_by_other_weights_is_refused(path):
    """The same functions in the same order, but one of them takes something else."""

    def fickle(self, x):
        first = self.a(x)
        second = first.relu()
        return self.last(self.b(first if self.flag > 0 else second)).flatten(1)

    model = written(fickle, flag=torch.ones(())).float()
    other = model.state_dict() | {"flag": -torch.ones(())}
    with pytest.raises(ValueError, match="conv2d in 'b' can't be written: networks with other weights call it with"):
        save_network(path, model, IMAGES, checkpoints={"other": other})


class Watched(nn.Sequential):
    """Notes that it has been brought to the processor: from a GPU that would move the model itself."""

    moved = False

    def cpu(self):
        self.moved = True
        return super().cpu()


def test_a_model_stays_on_its_device(path):
    model = Watched(classifier()).eval()
    save_network(path, model, IMAGES)
    assert not model.moved


def test_nothing_is_changed(path):
    model, states = trained_a_little()
    before, chance = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    save_network(path, model, IMAGES, checkpoints=states)
    assert all(one.equal(before[name]) for name, one in model.state_dict().items())
    assert torch.get_rng_state().equal(chance)


class Moody(nn.Module):
    """Does something else for images that are bright."""

    def __init__(self):
        super().__init__()
        self.body = classifier()

    def forward(self, x):
        return self.body(x if x.mean() < 0.5 else x.flip(3))


def _unpooled(self, x):
    pooled, places = F.max_pool2d(self.a(x), 2, return_indices=True)
    return self.last(F.max_unpool2d(pooled, places, 2)).flatten(1)


CANNOT = {
    "a function that bends": (classifier(3, nn.GELU()), IMAGES, {}, "gelu in '2' has no way back"),
    "a product": (
        written(lambda self, x: self.last(self.a(x) * self.b(self.a(x))).flatten(1)).float(),
        IMAGES,
        {},
        "mul",
    ),
    "windows by chance": (
        classifier(3, nn.FractionalMaxPool2d(2, output_size=8), nn.Identity()),
        torch.rand(2, 3, 12, 12),
        {},
        "fractional_max_pool2d in '2' can't be written: it chooses its windows by chance",
    ),
    "an unpooling": (written(_unpooled).float(), IMAGES, {}, "max_unpool2d can't be written: it takes its places from"),
    "what is too large to try": (
        nn.Sequential(nn.ConvTranspose2d(3, 32, 3), nn.Flatten(), nn.LazyLinear(2)),
        torch.rand(1, 3, 64, 64),
        {},
        "conv_transpose2d in '0' can't be written: it makes 139392 numbers of 12288",
    ),
    "another way": (Moody(), torch.stack([IMAGES[0] * 0.5, IMAGES[0] * 0.2 + 0.7]), {}, "takes another way"),
    "train mode": (classifier().train(), IMAGES, {}, "train mode"),
    "two channels": (classifier(2), torch.rand(2, 2, 8, 8), {}, "images have 2 channels"),
    "bytes": (classifier(), IMAGES * 255, {}, "hold pixels from"),
    "no spread": (classifier(), IMAGES, {"std": 0.0}, "std is 0.0; it must be above zero"),
    "two names": (classifier(), IMAGES, {"names": ["a", "b"]}, "2 names for 3 classes"),
    "names of nothing": (classifier()[:2], IMAGES, {"names": ["a", "b"]}, "does not end with scores"),
    "a label of no class": (classifier(), IMAGES, {"labels": torch.tensor([0, 3])}, "labels hold 3"),
    "one label": (classifier(), IMAGES, {"labels": torch.tensor([0])}, "needs one label for each of 2 images"),
    "other weights": (classifier(), IMAGES, {"checkpoints": {"a": {}}}, "checkpoint 'a' does not hold the weights"),
    "another end": (
        classifier(),
        IMAGES,
        {"checkpoints": {"trained": {name: one + 1 for name, one in classifier().state_dict().items()}}},
        "a checkpoint is called 'trained'",
    ),
    "too many weights": (
        nn.Sequential(nn.Flatten(), nn.Linear(192, 25_000)),
        IMAGES,
        {},
        "the file would hold 4,825,000 weights; the page reads up to 4,194,304",
    ),
    "too many images": (
        classifier(),
        torch.zeros(1, 3, 8, 8).expand(10_001, -1, -1, -1),
        {},
        "the file would hold 10,001 images; the page reads up to 10,000",
    ),
    "a long name": (classifier(), IMAGES, {"names": ["a", "b", "c" * 201]}, "names of 1 to 200 letters"),
}


@pytest.mark.parametrize("name", CANNOT)
def test_what_can_not_be_written_is_named(name, path):
    model, images, options, words = CANNOT[name]
    if not model.training or name != "train mode":
        model.eval()
    if name == "what is too large to try":
        model(images)
    with pytest.raises(ValueError, match=re.escape(words)):
        save_network(path, model, images, **options)
    assert not path.exists()


def test_the_page_knows_the_file_by_its_name(tmp_path):
    with pytest.raises(ValueError, match=r"must end with \.safetensors"):
        save_network(tmp_path / "net.pt", classifier(), IMAGES)


def test_a_recipe_is_of_one_image():
    with pytest.raises(ValueError, match="record one at a time"):
        recipe_of([DeconvNet(classifier()).record(IMAGES)])


def test_a_function_is_known_by_what_it_does(path):
    """Any spelling of a scaling, of a selection and of a sum is written as that."""
    model = Written(
        lambda self, x: F.avg_pool2d(torch.sub(2, x * 3).neg().transpose(2, 3).contiguous(), 2).flatten(1)
    ).eval()
    save_network(path, model, IMAGES)
    recipe, tensors = read(path)
    assert functions_of(recipe) == ["scale", "scale", "scale", "take", "reshape", "matrix", "reshape"]
    assert tensors["0.1.factor"].tolist() == [3] and len(tensors["0.6.weight"]) == 64
