"""What costs points is said before: each mistake here is reported by the student's own check, and by its name."""

import pytest
import torch
from grading.judge import PARTS as JUDGED
from submissions import PARTS
from test_check import check, mnist, run_check
from test_fair import POOLED, changed
from test_judge import names_of_the_right, student_with

# The part; what stands in the place of what in the right solution; and what the check calls it, or which error of the
# student's own it lets through.
MISTAKES = {
    "average pooling": (
        "build_cnn",
        (POOLED, f"before = conv(x).relu()\n            {POOLED}\n            x = F.avg_pool2d(before, 2)"),
        "build_cnn.average_pooling",
    ),
    "no ReLU after the second convolution": (
        "build_cnn",
        ("conv(x).relu()", "(conv(x) if conv is self.far else conv(x).relu())"),
        "build_cnn.no_relu",
    ),
    "no ReLU after the first linear layer": (
        "build_cnn",
        ("F.relu(self.head[0](x))", "self.head[0](x)"),
        "build_cnn.no_relu",
    ),
    "no ReLU after the second linear layer": (
        "build_cnn",
        ("F.relu(self.head[1](x))", "self.head[1](x)"),
        "build_cnn.no_relu",
    ),
    "a ReLU after the last layer": (
        "build_cnn",
        ("F.log_softmax(self.head[2](x),", "F.log_softmax(self.head[2](x).relu(),"),
        "build_cnn.wrong_outputs",
    ),
    "tanh": ("build_cnn", ("conv(x).relu()", "conv(x).tanh()"), "build_cnn.wrong_outputs"),
    "a leaky linear layer": (
        "build_cnn",
        ("F.relu(self.head[0](x))", "F.leaky_relu(self.head[0](x))"),
        "build_cnn.wrong_outputs",
    ),
    "no padding": ("build_cnn", ('padding="same"', "padding=0"), "build_cnn.wrong_padding"),
    "padding in both layers": (
        "build_cnn",
        ("nn.Conv2d(first, second, 5)", "nn.Conv2d(first, second, 5, padding=2)"),
        "build_cnn.wrong_padding",
    ),
    "windows of 3×3": ("build_cnn", ("conv(x).relu(), 2,", "conv(x).relu(), 3,"), "build_cnn.wrong_pooling"),
    "a linear layer for other maps": ("build_cnn", ("second * 25", "second * 16"), "build_cnn.wrong_linear"),
    "softmax": ("build_cnn", ("F.log_softmax(self", "F.softmax(self"), "build_cnn.probabilities"),
    "log-softmax over the images": ("build_cnn", ("dim=-1", "dim=0"), "build_cnn.no_log_probabilities"),
    "a layer without biases": (
        "build_cnn",
        ("nn.Conv2d(first, second, 5)", "nn.Conv2d(first, second, 5, bias=False)"),
        "build_cnn.wrong_number",
    ),
    "weights in one row": (
        "build_cnn",
        (
            "        self.head = ",
            "        self.far.weight = nn.Parameter(self.far.weight.data.flatten(1))\n"
            "        self.far.forward = lambda x: F.conv2d(\n"
            "            x, self.far.weight.view(second, first, 5, 5), self.far.bias\n"
            "        )\n"
            "        self.head = ",
        ),
        "build_cnn.wrong_shapes",
    ),
    "6 and 16 typed into the network": ("build_cnn", ("Reader(maps1, maps2)", "Reader(6, 16)"), "build_cnn.other_maps"),
    "no signal with other numbers of maps": (
        "build_cnn",
        ("F.relu(self.head[0](x))", "F.relu(self.head[0](x)) * (len(self.far.bias) == 16)"),
        "build_cnn.other_outputs",
    ),
    "filters of the given network": (
        "look_inside",
        ('f"filters{number}": weight', 'f"filters{number}": network.features[3 * number - 3].weight'),
        "look_inside.wrong_filters",
    ),
    "two images typed in": (
        "look_inside",
        ('f"pooled{number}": pooled', 'f"pooled{number}": pooled.reshape(2, -1, *pooled.shape[2:])'),
        "returns.wrong_shape",
    ),
    "the last column left out": (
        "look_inside",
        ('f"pooled{number}": pooled', 'f"pooled{number}": F.pad(pooled[..., :-1], (0, 1))'),
        "look_inside.wrong_values",
    ),
    "positions in the window": (
        "look_inside",
        ('f"switches{number}": where', 'f"switches{number}": where % 4'),
        "look_inside.outside_window",
    ),
    "positions of 32 bits": (
        "look_inside",
        ('f"switches{number}": where', 'f"switches{number}": where.int()'),
        "look_inside.not_int64",
    ),
    "no step": ("train", ("        optimizer.step()\n", ""), "train.no_step"),
    "a new model inside": (
        "train",
        (
            "    optimizer = ",
            "    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.LogSoftmax(1))\n    optimizer = ",
        ),
        "train.another_model",
    ),
    "the optimizer of another network": ("train", ("model.parameters()", "build_cnn().parameters()"), "train.no_step"),
    "labels left unshuffled": ("train", ("labels[batch]", "labels[: len(batch)]"), "train.guesses"),
    "the loss with the wrong sign": ("train", ("F.nll_loss(model", "F.nll_loss(-model"), "train.uphill"),
    "60,000 typed in": ("train", ("randperm(len(images))", "randperm(60_000)"), IndexError),
    "square maps": (
        "unpool",
        (
            "switches.flatten(2), signal.flatten(2)",
            "switches[..., : signal.shape[2]].flatten(2), signal[..., : signal.shape[2]].flatten(2)",
        ),
        "unpool.wide",
    ),
    "the first image's switches": (
        "unpool",
        ("switches.flatten(2), signal", "switches[:1].expand_as(switches).flatten(2), signal"),
        "unpool.first_switches",
    ),
    "the left column of each window": (
        "unpool",
        ("switches.flatten(2), signal", "(switches // 2 * 2).flatten(2), signal"),
        "unpool.elsewhere",
    ),
    "at most 1": ("rectify", ("F.relu(signal)", "signal.clamp(0, 1)"), "rectify.changed"),
    "leaky": ("rectify", ("F.relu(signal)", "F.leaky_relu(signal)"), "rectify.negative"),
    "channels not exchanged": (
        "filter_back",
        (
            "F.conv_transpose2d(signal, conv.weight, padding=conv.padding)",
            "F.conv2d(signal, conv.weight.flip(2, 3), padding=conv.kernel_size[0] - 1 - conv.padding[0])",
        ),
        "filter_back.channels_not_exchanged",
    ),
    "flipped in place": (
        "filter_back",
        (
            "    return F.conv_transpose2d(signal, conv.weight, padding=conv.padding)",
            "    conv.weight.data = conv.weight.data.flip(2, 3)\n"
            "    margin = conv.kernel_size[0] - 1 - conv.padding[0]\n"
            "    return F.conv2d(signal, conv.weight.transpose(0, 1), padding=margin)",
        ),
        "filter_back.changes_conv",
    ),
    "padding typed in": (
        "filter_back",
        ("padding=conv.padding", "padding=2 if conv.in_channels == 1 else 0"),
        "filter_back.wrong_size",
    ),
    "5×5 typed in": (
        "filter_back",
        ("conv.weight,", "F.pad(conv.weight, (0, 5 - conv.kernel_size[0]) * 2),"),
        "returns.wrong_shape",
    ),
    "biases taken off": (
        "filter_back",
        ("conv_transpose2d(signal,", "conv_transpose2d(signal - conv.bias[:, None, None],"),
        "filter_back.biases_added",
    ),
    "the first image alone": (
        "filter_back",
        ("conv_transpose2d(signal,", "conv_transpose2d(signal * (torch.arange(len(signal)) < 1)[:, None, None, None],"),
        "filter_back.not_the_transpose",
    ),
    "channel 1 typed in": ("keep_channel", ("mask[channel] = 1", "mask[1] = 1"), "keep_channel.others_not_zero"),
    "in place": (
        "keep_channel",
        ("return maps * mask[:, None, None]", "return maps.mul_(mask[:, None, None])"),
        "keep_channel.written_over",
    ),
    "the network of the notebook": (
        "project",
        ("x, notes = climb(features,", "x, notes = climb(network.features,"),
        "project.another_network",
    ),
    "sizes typed in": (
        "project",
        ("x = unpool(x, where, size)", "x = unpool(x, where, (28, 28) if conv.in_channels == 1 else (10, 10))"),
        "returns.wrong_shape",
    ),
    "maps of 14×14 and 5×5 typed in": (
        "project",
        (
            "    x = keep_channel(x, channel)",
            "    x = keep_channel(x.view(*x.shape[:2], *[(14, 14), (5, 5)][layer - 1]), channel)",
        ),
        "typed_in",
    ),
    "all maps at once": ("project", ("    x = keep_channel(x, channel)\n", ""), "project.others_not_zero"),
    "the strongest map again": (
        "project",
        (
            "        x = filter_back(x, conv)",
            "        x = filter_back(x, conv)\n"
            "        x = keep_channel(x, int(x[0].flatten(1).norm(dim=1).argmax())) if x.shape[1] > 1 else x",
        ),
        "project.zeroed_again",
    ),
    "no rectification": ("project", ("        x = rectify(x)\n", ""), "project.not_rectified"),
    "no ReLU on the way up": (
        "project",
        ("features[position + 1](features[position](x))", "features[position](x)"),
        "project.no_relu",
    ),
    "layer 1 scaled": (
        "project",
        (
            "    x = keep_channel(x, channel)",
            "    x = keep_channel(x, channel) / (1 if layer == 2 else x.amax((1, 2, 3), keepdim=True))",
        ),
        "project.wrong_by_hand_1",
    ),
    "the strongest place alone": (
        "project",
        (
            "    x = keep_channel(x, channel)",
            "    x = keep_channel(x, channel)\n    x = x * (x == x.amax((1, 2, 3), keepdim=True))",
        ),
        "project.one_place",
    ),
    "biases set to zero": (
        "project",
        (
            "    x = keep_channel(x, channel)",
            "    x = keep_channel(x, channel)\n    for conv in features[::3]:\n        conv.bias.data.zero_()",
        ),
        "project.changes_features",
    ),
    "what is read alone": (
        "choose",
        ("(predictions == labels) & (labels == digit)", "predictions == digit"),
        "choose.other_digit",
    ),
    "counted among those read correctly": (
        "choose",
        ("good.float()", "(labels[predictions == labels] == digit).float()"),
        "choose.misread",
    ),
    "zero for not found": (
        "choose",
        ("(predictions == labels) & (labels == digit)", "(predictions == labels) * labels == digit"),
        "choose.other_digit",
    ),
    "all of them": ("choose", ("int(good.float().argmax())", "good.nonzero()[:, 0]"), "choose.several"),
    "6 and 16 typed into visualise": (
        "visualise",
        ("features[3 * layer - 3].out_channels", "[6, 16][layer - 1]"),
        "typed_in",
    ),
    "layer 2 first": ("visualise", ("for layer in (1, 2)", "for layer in (2, 1)"), "visualise.layer_2_first"),
    "each picture scaled": (
        "visualise",
        ("torch.stack(found)", "torch.stack([one / one.abs().max() for one in found])"),
        "visualise.wrong_picture",
    ),
    "layer 2 alone": ("visualise", ("for layer in (1, 2)", "for layer in (2,)"), "returns.wrong_shape"),
    "magnitudes": ("to_uint8", ("maps / scale", "maps.abs() / scale"), "to_uint8.wrong_signs"),
    "ink and paper exchanged": ("to_uint8", ("maps / scale", "-maps / scale"), "to_uint8.wrong_signs"),
    "from the smallest to the largest": (
        "to_uint8",
        ("(maps / scale * 127 + 128)", "((maps - maps.min()) / (maps.max() - maps.min()) * 255)"),
        "to_uint8.zero_not_128",
    ),
    "numbers from 0 to 1": ("to_uint8", (".byte()", ".byte() / 255"), "to_uint8.wrong_type"),
    "cast unscaled": (
        "grids",
        (
            "to_uint8(visualise(network.features, test_images[chosen[digit]][None]))",
            "visualise(network.features, test_images[chosen[digit]][None]).int().byte()",
        ),
        "grids.cast",
    ),
    "the digit for the index": ("grids", ("test_images[chosen[digit]]", "test_images[digit]"), "grids.digit_as_index"),
    "training images": ("grids", ("test_images[", "images["), "grids.training_image"),
    "an untrained network": (
        "grids",
        (
            "network.features",
            "nn.Sequential(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),"
            " nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2))",
        ),
        "grids.wrong_pictures",
    ),
    "one image for all": ("grids", ("test_images[chosen[digit]]", "test_images[0]"), "grids.same"),
}
MISTAKES = {name: mistake for name, mistake in MISTAKES.items() if mistake[0] in PARTS}

# In these the judge finds nothing wrong, as it asks each question of a new network. What comes after them is wrong.
COST_NOTHING_THEMSELVES = ("flipped in place", "biases set to zero")

# Lines of the judge that no mistake above touches: the place in the part, and which test has the check look there.
# What no check can see: that a name stands in the kernel at hand alone, as its cell was deleted, moved or changed after
# it ran; that weights come from a file that is not handed in. What none looks for: a network that knows the test images
# by heart.
SEEN_ELSEWHERE = {
    ("choose", 1): "test_a_wrong_choice_is_named",
}


def notebook_of(name):
    """The names of a notebook in which all is right but for this mistake; and the part."""
    part, change, _ = MISTAKES[name]
    code = changed(part, change)
    names = names_of_the_right() | {"images": mnist("train")[0], "grids_solution": code}
    exec(code, names)
    return part, names


@pytest.fixture(autouse=True)
def no_clock(monkeypatch):
    monkeypatch.setattr(check, "monotonic", lambda: 0.0)


@pytest.mark.parametrize("name", MISTAKES)
def test_the_check_reports_each_mistake_by_its_name(name):
    part, names = notebook_of(name)
    torch.manual_seed(0)
    said = MISTAKES[name][2]
    if isinstance(said, str):
        with pytest.raises(check.Wrong) as caught:
            run_check(part, names)
        assert caught.value.fault.code == said
    else:
        with pytest.raises(said) as caught:
            run_check(part, names)
        assert any("when the check called" in note for note in caught.value.__notes__)


@pytest.fixture(scope="module")
def lost(tmp_path_factory):
    """For each mistake, the places of the judge's lines that it costs.

    But not for those in `train`, which takes minutes. Its lines are what two checks look at: `trained` at the share
    that `my_network` reads, `train` at other labels.
    """
    folder, found = tmp_path_factory.mktemp("judged"), {}
    for name, (part, *_) in MISTAKES.items():
        if part != "train":
            _, names = notebook_of(name)
            steps = JUDGED[part](student_with(names, folder)).steps
            found[name] = {(part, place) for place, step in enumerate(steps) if step.earned < step.worth}
    return found


def test_each_mistake_costs_points(lost):
    assert tuple(name for name, lines in lost.items() if not lines) == COST_NOTHING_THEMSELVES


def test_in_each_line_of_the_judge_a_mistake_is_reported(lost, tmp_path):
    lines = set()
    for part in {part for part, *_ in MISTAKES.values()} - {"train"}:
        steps = JUDGED[part](student_with(dict(names_of_the_right()), tmp_path)).steps
        lines |= {(part, place) for place in range(len(steps))}
    assert lines - set().union(*lost.values()) == set(SEEN_ELSEWHERE)


# Right solutions as nobody here would write them: the check finds nothing wrong with them.
RIGHT = {
    "layers in another order": (
        "build_cnn",
        """
class Net(nn.Module):
    def __init__(self, first, second):
        super().__init__()
        self.last = nn.Linear(84, 10)
        self.deep = nn.Sequential(nn.Linear(25 * second, 120), nn.ReLU(), nn.Linear(120, 84))
        self.b, self.a = nn.Conv2d(first, second, 5), nn.Conv2d(1, first, 5)

    def forward(self, x):
        x = F.max_pool2d(self.a(F.pad(x, (2, 2, 2, 2))), 2).clamp(min=0)
        x = F.max_pool2d(self.b(x), 2).clamp(min=0)
        x = self.last(self.deep(x.flatten(1)).relu())
        return x - x.logsumexp(1, keepdim=True)

build_cnn = lambda maps1=6, maps2=16: Net(maps1, maps2)
""",
    ),
    "plain parameters": (
        "build_cnn",
        """
class Net(nn.Module):
    def __init__(self, first, second):
        super().__init__()
        sizes = [(first, 1, 5, 5), (second, first, 5, 5), (120, 25 * second), (84, 120), (10, 84)]
        self.w = nn.ParameterList([nn.Parameter(0.1 * torch.randn(size)) for size in sizes])
        self.b = nn.ParameterList([nn.Parameter(torch.zeros(size[0])) for size in sizes])

    def forward(self, x):
        x = F.max_pool2d(F.conv2d(x, self.w[0], self.b[0], padding=2).relu(), 2)
        x = F.max_pool2d(F.conv2d(x, self.w[1], self.b[1]).relu(), 2).flatten(1)
        x = F.linear(F.linear(x, self.w[2], self.b[2]).relu(), self.w[3], self.b[3]).relu()
        return F.linear(x, self.w[4], self.b[4]).log_softmax(1)

def build_cnn(maps1=6, maps2=16):
    return Net(maps1, maps2)
""",
    ),
    "in double precision, each image alone": (
        "look_inside",
        """
def look_inside(model, images):
    parts = [list(model.stages(image[None])) for image in images]
    found = {}
    for layer in (0, 1):
        found[f"filters{layer + 1}"] = parts[0][layer][0].double()
        found[f"pooled{layer + 1}"] = torch.cat([part[layer][1] for part in parts]).double()
        found[f"switches{layer + 1}"] = torch.cat([part[layer][2] for part in parts])
    return found
""",
    ),
    "a data loader, another loss, forward": (
        "train",
        """
def train(model, images, labels):
    data = torch.utils.data.TensorDataset(images, labels)
    learner = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for some, wanted in torch.utils.data.DataLoader(data, batch_size=100, shuffle=True):
        model.zero_grad()
        nn.CrossEntropyLoss()(model.forward(some), wanted).backward()
        learner.step()
""",
    ),
    "all at once, without an optimizer": (
        "train",
        """
def train(model, images, labels):
    for _ in range(60):
        gradients = torch.autograd.grad(F.nll_loss(model(images), labels), list(model.parameters()))
        with torch.no_grad():
            for value, gradient in zip(model.parameters(), gradients):
                value -= 0.3 * gradient
""",
    ),
    "every position asked": (
        "unpool",
        """
def unpool(signal, switches, size):
    places = torch.arange(size[0] * size[1])
    back = (switches.flatten(2)[..., None] == places) * signal.flatten(2)[..., None]
    return back.sum(2).unflatten(2, tuple(size))
""",
    ),
    "half the sum with the magnitude": ("rectify", "rectify = lambda signal: (signal + abs(signal)) / 2"),
    "by the gradient": (
        "filter_back",
        """
def filter_back(signal, conv):
    size = [side + conv.kernel_size[0] - 1 - 2 * conv.padding[0] for side in signal.shape[2:]]
    x = torch.zeros(len(signal), conv.in_channels, *size, requires_grad=True)
    return torch.autograd.grad(conv(x), x, signal)[0]
""",
    ),
    "flipped in a copy": (
        "filter_back",
        """
def filter_back(signal, conv):
    kernel = conv.weight.detach().clone().flip(2, 3).transpose(0, 1)
    return F.conv2d(signal, kernel, padding=conv.kernel_size[0] - 1 - conv.padding[0])
""",
    ),
    "in place, and put back": (
        "filter_back",
        """
def filter_back(signal, conv):
    before = conv.weight.data
    conv.weight.data = before.flip(2, 3).transpose(0, 1)
    back = F.conv2d(signal, conv.weight, padding=conv.kernel_size[0] - 1 - conv.padding[0])
    conv.weight.data = before
    return back
""",
    ),
    "a list of maps": (
        "keep_channel",
        """
def keep_channel(maps, channel):
    return torch.stack([maps[:, k] * (k == channel) for k in range(maps.shape[1])], dim=1)
""",
    ),
    "layer by layer, by itself": (
        "project",
        """
def project(features, images, layer, channel):
    def through(x, left):
        if not left:
            return keep_channel(x, channel)
        conv, relu, pool = left[0]
        before = relu(conv(x))
        x, where = nn.MaxPool2d(pool.kernel_size, pool.stride, pool.padding, return_indices=True)(before)
        below = through(x, left[1:])
        return filter_back(rectify(unpool(below, where, before.shape[2:])), conv)

    return through(images, [features[3 * n : 3 * n + 3] for n in range(layer)])
""",
    ),
    "any of them": (
        "choose",
        """
def choose(digit, predictions, labels):
    both = torch.stack([predictions, labels]).eq(digit).all(dim=0)
    return torch.multinomial(both.float(), 1)
""",
    ),
    "for each layer at once": (
        "visualise",
        """
def visualise(features, image):
    counts = [layer.out_channels for layer in features if hasattr(layer, "out_channels")]
    return torch.vstack(
        [torch.vstack([project(features, image, n, k) for k in range(count)]) for n, count in enumerate(counts, 1)]
    ).squeeze(1)
""",
    ),
    "steps of a 127th": (
        "to_uint8",
        """
def to_uint8(maps):
    step = max(maps.max().item(), -maps.min().item()) / 127
    return torch.clip(torch.floor(maps.double() / step + 128.5), 0, 255).to(torch.uint8)
""",
    ),
    "a dictionary of its own kind": (
        "grids",
        """
from collections import defaultdict
grids = defaultdict(list)
for digit, index in chosen.items():
    grids[torch.tensor(digit).item()] = to_uint8(visualise(given_network().features, test_images.narrow(0, index, 1)))
""",
    ),
}
RIGHT = {name: right for name, right in RIGHT.items() if right[0] in PARTS}


@pytest.mark.parametrize("name", RIGHT)
def test_the_check_finds_nothing_wrong_in_other_right_ways(name, capsys):
    part, code = RIGHT[name]
    names = names_of_the_right() | {"given_network": check.given_network}
    exec(code, names)
    torch.manual_seed(0)
    run_check(part, names)
    assert "Nothing wrong found" in capsys.readouterr().out
