"""A solution with PyTorch's transposed convolution, and a network that is a class. `# %%` names each part's cell."""

# ruff: noqa: F821 (the names come from the notebook)


# %% build_cnn
class Reader(nn.Module):
    def __init__(self, first, second):
        super().__init__()
        self.near, self.far = nn.Conv2d(1, first, 5, padding="same"), nn.Conv2d(first, second, 5)
        self.head = nn.ModuleList([nn.Linear(second * 25, 120), nn.Linear(120, 84), nn.Linear(84, 10)])

    def stages(self, x):
        for conv in (self.near, self.far):
            x, where = F.max_pool2d(conv(x).relu(), 2, return_indices=True)
            yield conv.weight, x, where

    def forward(self, x):
        x = list(self.stages(x))[-1][1].flatten(1)
        x = F.relu(self.head[0](x))
        x = F.relu(self.head[1](x))
        return F.log_softmax(self.head[2](x), dim=-1)


def build_cnn(maps1=6, maps2=16):
    return Reader(maps1, maps2)


# %% look_inside
def look_inside(model, images):
    found = {}
    with torch.no_grad():
        for number, (weight, pooled, where) in enumerate(model.stages(images), 1):
            found |= {f"filters{number}": weight, f"pooled{number}": pooled, f"switches{number}": where}
    return found


# %% train
def train(model, images, labels):
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    batches = [batch for _ in range(2) for batch in torch.randperm(len(images)).split(150)]
    for number, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = 5e-3 * (1 - number / len(batches))
        optimizer.zero_grad()
        F.nll_loss(model(images[batch]), labels[batch]).backward()
        optimizer.step()


# %% unpool
def unpool(signal, switches, size):
    n, c = signal.shape[:2]
    flat = torch.zeros(n, c, size[0] * size[1])
    flat.scatter_add_(2, switches.flatten(2), signal.flatten(2))
    return flat.view(n, c, *size)


# %% rectify
def rectify(signal):
    return F.relu(signal)


# %% filter_back
def filter_back(signal, conv):
    return F.conv_transpose2d(signal, conv.weight, padding=conv.padding)


# %% keep_channel
def keep_channel(maps, channel):
    mask = torch.zeros(maps.shape[1])
    mask[channel] = 1
    return maps * mask[:, None, None]


# %% project
def climb(features, images, layer):
    notes, x = [], images
    for position in range(0, 3 * layer, 3):
        before, pool = features[position + 1](features[position](x)), features[position + 2]
        x, where = F.max_pool2d(before, pool.kernel_size, pool.stride, pool.padding, return_indices=True)
        notes.append((features[position], where, before.shape[2:]))
    return x, notes


def project(features, images, layer, channel):
    x, notes = climb(features, images, layer)
    x = keep_channel(x, channel)
    for conv, where, size in reversed(notes):
        x = unpool(x, where, size)
        x = rectify(x)
        x = filter_back(x, conv)
    return x


# %% choose
def choose(digit, predictions, labels):
    good = (predictions == labels) & (labels == digit)
    return int(good.float().argmax())


# %% visualise
def visualise(features, image):
    found = []
    for layer in (1, 2):
        for channel in range(features[3 * layer - 3].out_channels):
            found.append(project(features, image, layer, channel)[0, 0])
    return torch.stack(found)


# %% to_uint8
def to_uint8(maps):
    scale = maps.abs().max()
    return (maps / scale * 127 + 128).round().byte()


# %% grids
grids = {}
for digit in chosen:
    grids[digit] = to_uint8(visualise(network.features, test_images[chosen[digit]][None]))
