"""A solution with plain loops over positions, in NumPy, and a network that is a Sequential."""

# ruff: noqa: E402, F821 (the names come from the notebook)


# %% build_cnn
def build_cnn(maps1=6, maps2=16):
    layers = [nn.Conv2d(1, maps1, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(maps1, maps2, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    layers += [nn.Linear(maps2 * 5 * 5, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*layers, nn.LogSoftmax(1))


# %% look_inside
import numpy as np


def up_through(conv, maps, windows=(2, 2, 0)):
    """A convolution, ReLU and max pooling of arrays (N, C, H, W), position by position."""
    pad, side = conv.padding[0], conv.kernel_size[0]
    weight, bias = conv.weight.detach().numpy(), conv.bias.detach().numpy()
    padded = np.pad(maps, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows, columns = padded.shape[2] - side + 1, padded.shape[3] - side + 1
    rectified = np.zeros((len(maps), len(weight), rows, columns), np.float32)
    for i in range(rows):
        for j in range(columns):
            patch = padded[:, :, i : i + side, j : j + side]
            rectified[:, :, i, j] = np.maximum(np.tensordot(patch, weight, ((1, 2, 3), (1, 2, 3))) + bias, 0)
    side, apart, around = windows
    down, across = ((count + 2 * around - side) // apart + 1 for count in (rows, columns))
    pooled = np.zeros((len(maps), len(weight), down, across), np.float32)
    switches = np.zeros(pooled.shape, np.int64)
    for i in range(down):
        for j in range(across):
            top, left = max(apart * i - around, 0), max(apart * j - around, 0)
            window = rectified[:, :, top : apart * i - around + side, left : apart * j - around + side]
            width = window.shape[3]
            window = window.reshape(*window.shape[:2], -1)
            pooled[:, :, i, j] = window.max(2)
            where = window.argmax(2)
            switches[:, :, i, j] = (top + where // width) * columns + left + where % width
    return pooled, switches, (rows, columns)


def look_inside(model, images):
    answer, maps = {}, images.numpy()
    for number, conv in enumerate((model[0], model[3]), 1):
        maps, switches, _ = up_through(conv, maps)
        answer[f"filters{number}"] = conv.weight
        answer[f"pooled{number}"] = torch.tensor(maps)
        answer[f"switches{number}"] = torch.tensor(switches)
    return answer


# %% train
def train(model, images, labels):
    learner = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(3):
        order = torch.randperm(len(images))
        for start in range(0, len(order), 128):
            chosen_ones = order[start : start + 128]
            loss = -model(images[chosen_ones])[torch.arange(len(chosen_ones)), labels[chosen_ones]].mean()
            learner.zero_grad()
            loss.backward()
            learner.step()


# %% unpool
def unpool(signal, switches, size):
    height, width = size
    values, places = signal.numpy(), switches.numpy()
    back = np.zeros((*values.shape[:2], height, width), values.dtype)
    for position in np.ndindex(*values.shape):
        row, column = divmod(places[position], width)
        back[position[0], position[1], row, column] += values[position]
    return torch.tensor(back)


# %% rectify
def rectify(signal):
    return torch.tensor(np.where(signal.numpy() > 0, signal.numpy(), 0))


# %% filter_back
def filter_back(signal, conv):
    values, weight = signal.numpy(), conv.weight.detach().numpy()
    side, pad = conv.kernel_size[0], conv.padding[0]
    count, _, rows, columns = values.shape
    back = np.zeros((count, conv.in_channels, rows + side - 1, columns + side - 1))
    for i in range(rows):
        for j in range(columns):
            back[:, :, i : i + side, j : j + side] += np.tensordot(values[:, :, i, j], weight, (1, 0))
    return torch.tensor(back[:, :, pad : back.shape[2] - pad, pad : back.shape[3] - pad])


# %% keep_channel
def keep_channel(maps, channel):
    copy = np.zeros_like(maps.numpy())
    copy[:, channel] = maps.numpy()[:, channel]
    return torch.tensor(copy)


# %% project
def project(features, images, layer, channel):
    maps, noted = images.numpy(), []
    for conv, pool in [(features[0], features[2]), (features[3], features[5])][:layer]:
        maps, switches, size = up_through(conv, maps, (pool.kernel_size, pool.stride, pool.padding))
        noted.insert(0, (conv, torch.tensor(switches), size))
    signal = keep_channel(torch.tensor(maps), channel)
    for conv, switches, size in noted:
        signal = filter_back(rectify(unpool(signal, switches, size)), conv)
    return signal


# %% choose
def choose(digit, predictions, labels):
    for index in reversed(range(len(labels))):
        if labels[index] == digit and predictions[index] == digit:
            return index


# %% visualise
def visualise(features, image):
    first, second = features[0].out_channels, features[3].out_channels
    pictures = [project(features, image, 1, k) for k in range(first)]
    pictures += [project(features, image, 2, k) for k in range(second)]
    return torch.cat(pictures)[:, 0]


# %% to_uint8
def to_uint8(maps):
    values = np.asarray(maps)
    largest = max(values.max(), -values.min())
    return torch.tensor(np.rint(128 + 127 * values / largest).astype(np.uint8))


# %% grids
grids = {d: to_uint8(visualise(network.features, test_images[i].unsqueeze(0))) for d, i in chosen.items()}
