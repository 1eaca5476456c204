"""What a mistake is told: each public function names what it was given and what it wants.

Files that are damaged or missing have their own tables: test_data and test_lenet5.
"""

import re

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from helpers.data import as_mnist
from helpers.deconvnet import DeconvNet, filter_back, unpool
from helpers.lenet5 import LeNet5, load_lenet5, save_lenet5
from helpers.plotting import (
    Panel,
    architecture,
    confusion_matrix,
    learning_curves,
    map_grid,
    mosaic,
    number_tables,
    panels,
    show,
    signed_limit,
)
from helpers.training import accuracy, fit, predict
from helpers.widgets import draw_a_digit, explore_feature_maps, explore_steps, explore_switches


def chain_of(*layers):
    return lambda: DeconvNet(nn.Sequential(*layers).eval())


def record(images):
    return lambda: DeconvNet(nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)).eval()).record(images)


def record_in_train_mode():
    DeconvNet(nn.Sequential(nn.Conv2d(1, 2, 3)).train()).record(torch.rand(1, 1, 8, 8))


def record_on_another_device():
    DeconvNet(nn.Sequential(nn.Conv2d(1, 2, 3)).eval().to("meta")).record(torch.rand(1, 1, 8, 8))


def project(*args, **options):
    def run():
        net = DeconvNet(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()).eval())
        net.project(net.record(torch.rand(1, 1, 8, 8)), *args, **options)

    return run


def project_the_trace_of_another_network():
    one, other = (DeconvNet(nn.Sequential(nn.Conv2d(1, 2, 3)).eval()) for _ in range(2))
    other.project(one.record(torch.rand(1, 1, 8, 8)), "0")


NAN, PLUS, MINUS = (torch.zeros(1, 1, 8, 8).index_fill(2, torch.tensor(3), float(v)) for v in ("nan", "inf", "-inf"))


# what goes wrong: (how, the error, a piece of its message)
DECONVNET = {
    "unknown rule": (
        lambda: DeconvNet(nn.Sequential(), rule="relu"),
        ValueError,
        "rule 'relu' is not known; choose one of deconvnet, gradient, guided",
    ),
    "not a chain": (
        lambda: DeconvNet(nn.Conv2d(1, 2, 3)),
        TypeError,
        "features is a Conv2d; .* such as model.features",
    ),
    "batch norm": (chain_of(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), TypeError, r"layer 1 \('1', BatchNorm2d\)"),
    "average pooling": (chain_of(nn.AvgPool2d(2)), TypeError, r"layer 0 \('0', AvgPool2d\) can't be reversed"),
    "transposed convolution": (chain_of(nn.ConvTranspose2d(1, 2, 3)), TypeError, "ConvTranspose2d"),
    "leaky ReLU": (chain_of(nn.LeakyReLU()), TypeError, "LeakyReLU"),
    "a chain in a chain": (chain_of(nn.Sequential(nn.ReLU())), TypeError, "Sequential"),
    "reflected padding": (
        chain_of(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect")),
        ValueError,
        "pads with 'reflect'; only padding with zeros",
    ),
    "uneven padding of rows": (
        chain_of(nn.ReLU(), nn.Conv2d(1, 2, (4, 3), padding="same")),
        ValueError,
        r"^layer 1 \('1', Conv2d\) pads more on one side than on the other; use an odd kernel size$",
    ),
    "uneven padding of columns": (chain_of(nn.Conv2d(1, 2, (3, 4), padding="same")), ValueError, "use an odd kernel"),
    "train mode": (
        record_in_train_mode,
        ValueError,
        r"^the chain is in train mode; call model.eval\(\) before record$",
    ),
    "another device": (record_on_another_device, ValueError, "images are on cpu, the weights on meta"),
    "a list": (record([[0.0]]), TypeError, "images are list"),
    "bytes": (
        record(torch.zeros(1, 1, 8, 8, dtype=torch.uint8)),
        TypeError,
        "torch.uint8; record needs .* floating-point",
    ),
    "double": (
        record(torch.zeros(1, 1, 8, 8).double()),
        TypeError,
        "images are torch.float64, the weights torch.float32",
    ),
    "one image without its batch": (record(torch.zeros(1, 8, 8)), ValueError, r"shape \(1, 8, 8\); .*\(N, C, H, W\)"),
    "no image": (record(torch.zeros(0, 1, 8, 8)), ValueError, r"shape \(0, 1, 8, 8\)"),
    "smaller than a filter": (record(torch.zeros(1, 1, 2, 2)), ValueError, "shape"),
    "smaller than a pooling window": (
        lambda: DeconvNet(nn.Sequential(nn.MaxPool2d(3)).eval()).record(torch.zeros(1, 1, 2, 2)),
        ValueError,
        r"shape \(1, 1, 2, 2\) can't pass layer '0'",
    ),
    "a window of padding alone": (
        lambda: DeconvNet(nn.Sequential(nn.MaxPool2d(2, padding=1, dilation=2)).eval()).record(torch.ones(1, 1, 1, 1)),
        ValueError,
        "layer '0': a pooling window holds nothing but padding",
    ),
    "colour": (record(torch.zeros(1, 3, 8, 8)), ValueError, "images have 3 channels; this chain takes 1"),
    "not a number": (record(NAN), ValueError, "NaN or infinity"),
    "infinity": (record(PLUS), ValueError, "NaN or infinity"),
    "minus infinity": (record(MINUS), ValueError, "NaN or infinity"),
    "unknown layer": (project("pool3"), ValueError, "layer 'pool3' is not in this network; it has 0, 1"),
    "another network": (
        project_the_trace_of_another_network,
        ValueError,
        "^the trace was recorded with another network; record the images with this one$",
    ),
    "channel too large": (project("1", [0, 2]), ValueError, "channel 2 does not exist; .* 0 to 1"),
    "channel below zero": (project("1", [-1]), ValueError, "channel -1 does not exist"),
    "channel by name": (project("1", ["0"]), TypeError, r"channels is \[.0.\]; .* such as \[3, 7\]"),
    "mask of channels": (project("1", [True, False]), TypeError, r"channels is \[True, False\]"),
    "one channel, not in a list": (project("1", 0), TypeError, "channels is 0; .* a sequence of integers"),
    "channels as a text": (project("1", "01"), TypeError, "channels is '01'; .* a sequence of integers"),
    "images in the place of a trace": (
        lambda: DeconvNet(nn.Sequential(nn.ReLU()).eval()).project(torch.rand(1, 1, 8, 8), "0"),
        TypeError,
        "trace is a Tensor; a DeconvNet needs what record returned",
    ),
    "unknown selection": (project("1", select="max"), ValueError, "select is 'max'; it must be 'map' or 'peak'"),
}

IMAGES, LABELS = torch.zeros(3, 1, 28, 28), torch.zeros(3, dtype=torch.int64)

# Images that no function takes: (the images, the error, what is said of them)
BAD_IMAGES = {
    "a list": ([[0.0]], TypeError, "images are list; {} needs a tensor of floating-point pixels"),
    "bytes": (IMAGES.byte(), TypeError, "images are torch.uint8; {} needs"),
    "without a channel": (IMAGES[:, 0], ValueError, "images have the shape (3, 28, 28); {} needs (N, C, H, W)"),
    "one alone": (IMAGES[0, 0], ValueError, "images have the shape (28, 28); {} needs (N, C, H, W)"),
    "none": (
        IMAGES[:0],
        ValueError,
        "images have the shape (0, 1, 28, 28); {} needs (N, C, H, W), with none of them 0",
    ),
    "not a number": (torch.full_like(IMAGES, torch.nan), ValueError, "images hold NaN or infinity; {} needs finite"),
    "infinity": (torch.full_like(IMAGES, torch.inf), ValueError, "images hold NaN or infinity; {} needs finite"),
}

# The functions that take images, with the name that the message gives them.
TAKE_IMAGES = {
    "record": lambda images: DeconvNet(LeNet5().eval().features).record(images),
    "fit": lambda images: fit(LeNet5(), images, LABELS),
    "predict": lambda images: predict(LeNet5(), images),
    "accuracy": lambda images: accuracy(LeNet5(), images, LABELS),
    "explore_switches": lambda images: explore_switches(LeNet5().eval(), images, LABELS),
    "explore_steps": lambda images: explore_steps(LeNet5().eval(), images, LABELS),
    "explore_feature_maps": lambda images: explore_feature_maps(LeNet5().eval(), images, LABELS),
}


@pytest.mark.parametrize("function", TAKE_IMAGES)
@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images_are_named(function, case):
    images, error, message = BAD_IMAGES[case]
    with pytest.raises(error, match=re.escape(message.format(function))):
        TAKE_IMAGES[function](images)


@pytest.mark.parametrize("function", ["predict", "accuracy", "fit"])
@pytest.mark.parametrize("shape", [(3, 3, 28, 28), (3, 1, 32, 32)], ids=str)
def test_lenet5_names_images_of_another_size(function, shape):
    message = f"images have the shape {shape}; LeNet5 takes (N, 1, 28, 28)"
    with pytest.raises(ValueError, match=re.escape(message)):
        TAKE_IMAGES[function](torch.zeros(shape))


# Labels that no function takes: (the labels, the error, what is said of them)
BAD_LABELS = {
    "a list": ([0, 0, 0], TypeError, "labels are list; {} needs a tensor of int64"),
    "not integers": (LABELS.float(), TypeError, "labels are torch.float32; {} needs a tensor of int64"),
    "too few": (LABELS[:2], ValueError, "labels have the shape (2,); {} needs one label for each of 3 images"),
    "below zero": (LABELS - 100, ValueError, "labels hold -100; {} needs the numbers of the classes, from 0"),
    "one-hot": (torch.eye(10).long()[:3], ValueError, "labels have the shape (3, 10); {} needs one label for each"),
}


@pytest.mark.parametrize("function", [fit, accuracy], ids=lambda function: function.__name__)
@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels_are_named(function, case):
    labels, error, message = BAD_LABELS[case]
    with pytest.raises(error, match=re.escape(message.format(function.__name__))):
        function(LeNet5(), IMAGES, labels)


SIGNAL, SWITCHES = torch.ones(1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.int64)


def filter_it(signal, size=(5, 5), kernel_size=3, **settings):
    return lambda: filter_back(signal, nn.Conv2d(1, 2, kernel_size, **settings), size)


STEPS = {
    "switches that are no integers": (
        lambda: unpool(SIGNAL, SWITCHES.float(), (4, 4)),
        TypeError,
        "switches are torch.float32; unpool needs int64",
    ),
    "switches of another size": (
        lambda: unpool(SIGNAL, torch.zeros(1, 3, 3, dtype=torch.int64), (4, 4)),
        ValueError,
        r"switches of the shape \(1, 3, 3\) can't bring a signal of the shape \(1, 2, 2\) back to 4×4",
    ),
    "switches out of the plane": (lambda: unpool(SIGNAL, SWITCHES + 16, (4, 4)), ValueError, "back to 4×4: index 16"),
    "switches below zero": (lambda: unpool(SIGNAL, SWITCHES - 1, (4, 4)), ValueError, "back to 4×4: index -1"),
    "signal of one dimension": (
        lambda: unpool(torch.ones(3), SWITCHES[0, 0], (4, 4)),
        ValueError,
        r"signal is of the shape \(3,\); unpool needs a tensor \(..., h, w\)",
    ),
    "signal of other channels": (
        filter_it(torch.ones(1, 1, 3, 3)),
        ValueError,
        r"signal is of the shape \(1, 1, 3, 3\); filter_back needs a tensor \(N, 2, h, w\)",
    ),
    "signal without a batch": (
        filter_it(torch.ones(2, 3, 3)),
        ValueError,
        r"filter_back needs a tensor \(N, 2, h, w\)",
    ),
    "uneven padding": (
        filter_it(torch.ones(1, 2, 3, 3), kernel_size=4, padding="same"),
        ValueError,
        "^conv pads more on one side than on the other; use an odd kernel size$",
    ),
    "signal in double precision": (filter_it(torch.ones(1, 2, 3, 3).double()), RuntimeError, "type"),
    "signal that is no tensor": (filter_it([1.0]), ValueError, "signal is a list; filter_back needs a tensor"),
    "signal to unpool that is no tensor": (
        lambda: unpool([1.0], SWITCHES, (4, 4)),
        ValueError,
        "signal is a list; unpool needs a tensor",
    ),
    "switches in a list": (lambda: unpool(SIGNAL, [0], (4, 4)), TypeError, "switches are list; unpool needs int64"),
    "no convolution": (
        lambda: filter_back(torch.ones(1, 2, 3, 3), nn.ReLU(), (5, 5)),
        TypeError,
        "conv is a ReLU; filter_back needs a Conv2d",
    ),
    "padding that can't be reversed": (
        filter_it(torch.ones(1, 2, 3, 3), padding=1, padding_mode="reflect"),
        ValueError,
        "conv pads with 'reflect'; only padding with zeros can be reversed",
    ),
    "a size of one number": (lambda: unpool(SIGNAL, SWITCHES, 4), ValueError, r"size is 4; it must be \(H, W\)"),
    "a size of three": (lambda: unpool(SIGNAL, SWITCHES, (1, 4, 4)), ValueError, r"size is \(1, 4, 4\); it must be"),
    "a size of zero": (filter_it(torch.ones(1, 2, 3, 3), (0, 5)), ValueError, r"size is \(0, 5\); .* above zero"),
    "a size of halves": (filter_it(torch.ones(1, 2, 3, 3), (5.5, 5)), ValueError, "size is .*two integers"),
    "a size that is not square": (
        filter_it(torch.ones(1, 2, 3, 4), (5, 5)),
        ValueError,
        "signal is 3×4, size 5×5; this convolution makes 3×4 from 5×6",
    ),
    "a size too large": (
        filter_it(torch.ones(1, 2, 3, 3), (6, 5)),
        ValueError,
        "signal is 3×3, size 6×5; this convolution makes 3×3 from 5×5",
    ),
    "a size too small": (filter_it(torch.ones(1, 2, 3, 3), (5, 4)), ValueError, "size 5×4; .* from 5×5"),
    "a size that the stride would have used": (
        filter_it(torch.ones(1, 2, 2, 2), (7, 5), stride=2, dilation=1),
        ValueError,
        "size 7×5; this convolution makes 2×2 from 5×5",
    ),
}

TRAINING = {
    "no epoch": (lambda: fit(LeNet5(), IMAGES, LABELS, epochs=0), ValueError, "epochs is 0; it must be above zero"),
    "half an epoch": (
        lambda: fit(LeNet5(), IMAGES, LABELS, epochs=1.5),
        TypeError,
        "epochs is 1.5; it must be an integer",
    ),
    "empty batches": (lambda: fit(LeNet5(), IMAGES, LABELS, batch_size=0), ValueError, "batch_size is 0; it must be"),
    "batches below zero": (
        lambda: predict(LeNet5(), IMAGES, -1),
        ValueError,
        "batch_size is -1; it must be above zero",
    ),
    "weights that grow": (
        lambda: fit(LeNet5(), IMAGES, LABELS, weight_decay=-0.1),
        ValueError,
        "weight_decay is -0.1; it must be zero or above, and finite",
    ),
    "weights that decay at once": (
        lambda: fit(LeNet5(), IMAGES, LABELS, weight_decay=float("inf")),
        ValueError,
        "weight_decay is inf; it must be",
    ),
    "no learning rate": (lambda: fit(LeNet5(), IMAGES, LABELS, max_lr=0.0), ValueError, "max_lr is 0.0; it must be"),
    "a learning rate that is no number": (
        lambda: fit(LeNet5(), IMAGES, LABELS, max_lr=float("nan")),
        ValueError,
        "max_lr is nan; it must be above zero and finite",
    ),
    "an infinite learning rate": (
        lambda: fit(LeNet5(), IMAGES, LABELS, max_lr=float("inf")),
        ValueError,
        "max_lr is inf; it must be above zero and finite",
    ),
    "test images without a channel": (
        lambda: fit(LeNet5(), IMAGES, LABELS, test=(IMAGES[0], LABELS)),
        ValueError,
        r"images have the shape \(1, 28, 28\); test needs",
    ),
    "test labels too few": (
        lambda: fit(LeNet5(), IMAGES, LABELS, test=(IMAGES, LABELS[:1])),
        ValueError,
        r"labels have the shape \(1,\); test needs",
    ),
    "a class that does not exist": (
        lambda: fit(LeNet5(), IMAGES, LABELS + 10),
        IndexError,
        "Target 10 is out of bounds",
    ),
    "another device": (
        lambda: fit(LeNet5().to("meta"), IMAGES, LABELS),
        (RuntimeError, NotImplementedError),
        "meta",
    ),
    "double precision": (lambda: predict(LeNet5(), IMAGES.double()), RuntimeError, "double|Double"),
    "another network to be saved": (
        lambda: save_lenet5(nn.Linear(2, 2)),
        TypeError,
        "model is a Linear; save_lenet5 needs a LeNet5",
    ),
    "an empty name": (lambda: save_lenet5(LeNet5(), ""), ValueError, "name is ''; save_lenet5 needs that of a file"),
    "weights that do not exist": (lambda: load_lenet5("nobodys"), FileNotFoundError, "nobodys.pt; run notebook 01"),
    "an explorer with a label too few": (
        lambda: explore_switches(LeNet5().eval(), IMAGES, LABELS[:2]),
        ValueError,
        "explore_switches needs one label for each of 3 images",
    ),
    "an explorer in train mode": (
        lambda: explore_steps(LeNet5(), IMAGES, LABELS),
        ValueError,
        r"call model.eval\(\)",
    ),
    "an explorer of colour images": (
        lambda: explore_feature_maps(LeNet5().eval(), torch.zeros(3, 3, 28, 28), LABELS),
        ValueError,
        r"images have the shape \(3, 3, 28, 28\); explore_feature_maps needs \(N, 1, 28, 28\)",
    ),
    "an explorer of larger images": (
        lambda: explore_switches(LeNet5().eval(), torch.zeros(3, 1, 32, 32), LABELS),
        ValueError,
        r"images have the shape \(3, 1, 32, 32\); explore_switches needs \(N, 1, 28, 28\)",
    ),
    "an explorer of another network": (
        lambda: explore_steps(nn.Linear(2, 2), IMAGES, LABELS),
        TypeError,
        "model is a Linear; explore_steps needs a LeNet5",
    ),
    "paper for another network": (
        lambda: draw_a_digit(nn.Linear(2, 2)),
        TypeError,
        "model is a Linear; draw_a_digit needs a LeNet5",
    ),
    "a start that is a batch": (
        lambda: draw_a_digit(LeNet5().eval(), IMAGES),
        ValueError,
        r"start has the shape \(3, 1, 28, 28\) .*; draw_a_digit needs \(28, 28\)",
    ),
    "a start of bytes": (
        lambda: draw_a_digit(LeNet5().eval(), torch.zeros(28, 28, dtype=torch.uint8)),
        TypeError,
        "start is torch.uint8; draw_a_digit needs a tensor of floating-point pixels",
    ),
    "a start beyond ink": (
        lambda: draw_a_digit(LeNet5().eval(), torch.full((28, 28), 255.0)),
        ValueError,
        "values from 255 to 255; draw_a_digit needs .* 0 for paper and 1 for ink",
    ),
    "a drawing that is a list": (lambda: as_mnist([[0.5]]), TypeError, "drawing is list; as_mnist needs a tensor of"),
    "a drawing of bytes": (
        lambda: as_mnist(torch.ones(4, 4, dtype=torch.uint8)),
        TypeError,
        "drawing is torch.uint8; as_mnist needs a tensor of floating-point pixels",
    ),
    "a drawing in a batch": (
        lambda: as_mnist(torch.ones(1, 4, 4)),
        ValueError,
        r"drawing has the shape \(1, 4, 4\); as_mnist needs \(H, W\)",
    ),
    "a drawing beyond ink": (
        lambda: as_mnist(torch.full((4, 4), 1.5)),
        ValueError,
        "drawing holds numbers outside 0 to 1; as_mnist needs 0 for paper, 1 for ink",
    ),
    "a drawing of NaN": (lambda: as_mnist(torch.full((4, 4), torch.nan)), ValueError, "numbers outside 0 to 1"),
    "an empty sheet": (lambda: as_mnist(torch.zeros(4, 4)), ValueError, "drawing holds no ink; as_mnist needs some"),
}

SQUARE = torch.zeros(4, 4)


def draw(*cells, **options):
    return lambda: panels([cells], "title", **options)


PLOTTING = {
    "no panel": (draw(None), ValueError, "rows hold no panel; panels needs at least one"),
    "no row": (lambda: panels([], "title"), ValueError, "rows hold no panel"),
    "a mosaic of one row": (
        lambda: mosaic(torch.zeros(9, 4, 4)),
        ValueError,
        r"tiles of the shape \(9, 4, 4\): needed are 4 dimensions",
    ),
    "a unit of ink": (
        draw(Panel(SQUARE), units={"ink": "grey"}),
        ValueError,
        "units for ink; only signed and activation have a colour bar",
    ),
    "an array": (draw(Panel(SQUARE.numpy())), TypeError, "pixels of the type ndarray: a tensor of numbers is needed"),
    "a batch": (
        draw(Panel(SQUARE[None])),
        ValueError,
        r"pixels of the shape \(1, 4, 4\): needed are 2 dimensions, none",
    ),
    "no pixel": (draw(Panel(SQUARE[:0])), ValueError, r"pixels of the shape \(0, 4\): .* none of them 0"),
    "pixels that are no number": (draw(Panel(SQUARE / 0)), ValueError, "pixels with NaN or infinity: only finite"),
    "infinite pixels": (draw(Panel(1 / SQUARE)), ValueError, "pixels with NaN or infinity"),
    "an unknown kind": (
        draw(Panel(SQUARE, kind="weights")),
        ValueError,
        "kind is 'weights'; it must be one of ink, signed, activation",
    ),
    "dots as pairs": (
        draw(Panel(SQUARE, dots=torch.zeros(5, 2))),
        ValueError,
        r"dots of the shape \(5, 2\): needed are \(2, K\)",
    ),
    "dots that are no tensor": (draw(Panel(SQUARE, dots=[[1], [2]])), TypeError, "dots of the type list"),
    "a dot below the panel": (
        draw(Panel(SQUARE, dots=torch.tensor([[0, 4], [0, 0]]))),
        ValueError,
        r"dots reach out of a panel of \(4, 4\): \[\[0, 4\], \[0, 0\]\]",
    ),
    "a dot left of the panel": (
        draw(Panel(SQUARE, dots=torch.tensor([[0], [-1]]))),
        ValueError,
        r"dots reach out of a panel of \(4, 4\)",
    ),
    "an activation below zero": (
        draw(Panel(SQUARE - 0.5, kind="activation")),
        ValueError,
        "an activation of -0.5: it is drawn from zero; 'signed' goes below",
    ),
    "a mask in place of pixels": (draw(Panel(SQUARE > 0)), TypeError, "pixels of the type torch.bool: a tensor of num"),
    "panels without rows": (
        lambda: panels([Panel(SQUARE)], "title"),
        TypeError,
        r"a row is a Panel; panels needs rows of panels, such as \[\[one, other\]\]",
    ),
    "maps that are not in pixels": (
        lambda: map_grid(SQUARE, torch.zeros(3, 2, 2), "title"),
        ValueError,
        r"maps of the shape \(3, 2, 2\) beside an image of \(4, 4\): are they pixels\?",
    ),
    "a grid without columns": (
        lambda: map_grid(SQUARE, torch.zeros(3, 4, 4), "title", columns=0),
        ValueError,
        "columns is 0; map_grid needs at least one",
    ),
    "a label too many": (
        draw(Panel(SQUARE), row_labels=["one", "two"]),
        ValueError,
        "2 row labels for 1 rows; panels needs as many of each",
    ),
    "a limit of zero": (draw(Panel(SQUARE), limit=0.0), ValueError, "limit is 0.0; it must be above zero and finite"),
    "an infinite limit": (draw(Panel(SQUARE), limit=float("inf")), ValueError, "limit is inf; it must be above zero"),
    "a limit that is no number": (draw(Panel(SQUARE), limit=float("nan")), ValueError, "limit is nan"),
    "maps with their channel": (
        lambda: map_grid(SQUARE, torch.zeros(3, 1, 4, 4), "title"),
        ValueError,
        r"maps of the shape \(3, 1, 4, 4\): needed are 3 dimensions",
    ),
    "image with its channel": (
        lambda: map_grid(SQUARE[None], torch.zeros(3, 4, 4), "title"),
        ValueError,
        r"image of the shape \(1, 4, 4\): needed are 2 dimensions",
    ),
    "a scale of nothing": (
        lambda: signed_limit(SQUARE[:0]),
        ValueError,
        r"values of the shape \(0, 4\): needed are at least one",
    ),
    "a scale of no numbers": (lambda: signed_limit(SQUARE / 0), ValueError, "values with NaN or infinity"),
    "a scale of a list": (lambda: signed_limit([1.0]), TypeError, "values of the type list: a tensor"),
    "no table": (lambda: number_tables([], "title"), ValueError, "there is no table; number_tables needs at least one"),
    "a table of one row": (
        lambda: number_tables([("row", torch.zeros(3))], "title"),
        ValueError,
        r"values of 'row' of the shape \(3,\): needed are 2 dimensions",
    ),
    "a mask too few": (
        lambda: number_tables([("a", SQUARE), ("b", SQUARE)], "title", [None]),
        ValueError,
        "1 masks for 2 tables; number_tables needs as many of each",
    ),
    "a mask of another size": (
        lambda: number_tables([("a", SQUARE)], "title", [SQUARE[:2] > 0]),
        ValueError,
        r"the mask of 'a' has the shape \(2, 4\), not \(4, 4\)",
    ),
    "no stage": (lambda: architecture([], "title"), ValueError, r"the stages have the shapes \[\]; architecture needs"),
    "a stage of two dimensions": (
        lambda: architecture([("", (1, 28, 28)), ("flatten", (28, 28))], "title"),
        ValueError,
        r"shapes \[\(1, 28, 28\), \(28, 28\)\]; architecture needs \(C, H, W\) or \(n,\)",
    ),
    "a training that was too short": (
        lambda: learning_curves([1.0] * 19, [0.5], "title"),
        ValueError,
        "19 losses and 1 accuracies; learning_curves needs at least 20 losses",
    ),
    "a training that was not tested": (
        lambda: learning_curves([1.0] * 20, [], "title"),
        ValueError,
        "20 losses and 0 accuracies; .* and one accuracy",
    ),
    "a training that went wrong": (
        lambda: learning_curves([float("nan")] * 20, [0.1], "title"),
        ValueError,
        "losses or accuracies with NaN or infinity",
    ),
    "shares in place of counts": (
        lambda: confusion_matrix(SQUARE, "title"),
        TypeError,
        "counts are torch.float32; .* integers",
    ),
    "counts that are not square": (
        lambda: confusion_matrix(torch.zeros(2, 3, dtype=torch.int64), "title"),
        ValueError,
        r"counts have the shape \(2, 3\); confusion_matrix needs \(n, n\)",
    ),
    "no alternative text": (
        lambda: show(panels([[Panel(SQUARE)]], "title"), " "),
        ValueError,
        "the alternative text is empty; say in words",
    ),
    "a figure without a name": (
        lambda: show(panels([[Panel(SQUARE)]], "title"), "a square", ""),
        ValueError,
        "name is ''; it must be that of a file",
    ),
    "a figure out of its folder": (
        lambda: show(panels([[Panel(SQUARE)]], "title"), "a square", "../square"),
        ValueError,
        "name is '../square'; it must be that of a file in figures/, without a folder",
    ),
}


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [pytest.param(*case, id=name) for table in (DECONVNET, STEPS, TRAINING, PLOTTING) for name, case in table.items()],
)
def test_bad_input_is_named(run, error, message):
    with pytest.raises(error, match=message):
        run()


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    yield
    plt.close("all")
