"""Whether each image of a batch goes its own way, as if it had been recorded alone.

Mostly each image owns as many of a tensor's numbers as the others, in a row, in the order in which the tensor counts
them. So it is with the images themselves, and a function keeps it so if an image's part of its output comes from the
image's own part of its input. Where they stand otherwise, as branches that are stacked before the images, `owners` says
which image each number came from.
"""

import torch
from torch import Tensor

from helpers.deconvnet.arguments import joined_along
from helpers.deconvnet.tape import Note, Value

# Each row of their first dimension goes its own way,
_BY_ROW = {
    "max_pool1d",
    "max_pool2d",
    "adaptive_max_pool2d",
    "fractional_max_pool2d",
    "batch_norm",
    "instance_norm",
    "local_response_norm",
}
# or each number.
_BY_NUMBER = {"relu", "relu6", "hardtanh", "clamp", "clip", "clamp_min", "threshold", "clone", "contiguous"}
# The numbers stay in their order.
_IN_ORDER = {"flatten", "reshape", "unflatten", "view", "squeeze", "unsqueeze", "ravel"}


def keeps_images_apart(note: Note, images: int) -> bool:
    """Whether `note` does, of a batch of so many images. Its outputs are given their owners."""
    in_a_row = all(value.owners is None for value in note.inputs if value)
    return in_a_row and _keeps_in_a_row(note, images) or _found_apart(note, images)


def _keeps_in_a_row(note: Note, images: int) -> bool:
    """Whether it is known of this function that each image's numbers stay in a row."""
    shapes = [value.tensor.shape for value in note.outputs if value.tensor is not None]
    if any(shape.numel() % images for shape in shapes):
        return False
    if note.name in _BY_NUMBER or note.name in _IN_ORDER:
        return True
    if _goes_by_row(note):
        return len(note.tensors[0]) % images == 0
    return note.name in ("add", "sub") and all(tensor.shape == shapes[0] for tensor in note.tensors)


def _goes_by_row(note: Note) -> bool:
    first = note.tensors[0]
    dim = first.dim()
    if note.name == "cat":
        return joined_along(note.args, note.kwargs) % dim != 0 and all(len(one) == len(first) for one in note.tensors)
    # Of three dimensions, the first is that of the channels.
    return note.name in _BY_ROW or note.name == "conv2d" and dim == 4 or note.name == "linear" and dim > 1


def _found_apart(note: Note, images: int) -> bool:
    """By trial: NaN in half of the images may not reach what the others reach.

    There are so many halves that each two images are parted, and that each number's image is known by those that reach
    it.
    """
    owned = [
        _owners(value, tensor, images) if value and carries else None
        for tensor, value, carries in zip(note.tensors, note.inputs, note.carry, strict=True)
    ]
    found: list[Tensor] = []
    for bit in range((images - 1).bit_length()):
        reached = [_reached(note, owned, bit, there) for there in (1, 0)]
        if len(reached[0]) != len(note.outputs) or any(
            (one & other).any() for one, other in zip(*reached, strict=True)
        ):
            return False
        if not found:
            found = [torch.where(one | other, 0, -1) for one, other in zip(*reached, strict=True)]
        found = [one + (reach.long() << bit) for one, reach in zip(found, reached[0], strict=True)]
    for value, owners in zip(note.outputs, found, strict=True):
        value.owners = None if _in_a_row(owners, images) else owners
    return True


def _owners(value: Value, tensor: Tensor, images: int) -> Tensor:
    """The number of the image that each number of `tensor` came from; -1 where it came from none."""
    if value.owners is not None:
        return value.owners
    every = torch.arange(images, device=tensor.device)
    return every.repeat_interleave(tensor.numel() // images).view(tensor.shape)


def _reached(note: Note, owned: list[Tensor | None], bit: int, there: int) -> list[Tensor]:
    """Which numbers of the function's outputs come from images whose number has `there` at this bit."""
    tried = [
        tensor
        if owners is None
        else torch.zeros_like(tensor).masked_fill_((owners >= 0) & (owners >> bit & 1 == there), torch.nan)
        for tensor, owners in zip(note.tensors, owned, strict=True)
    ]
    with torch.no_grad():
        return [one.isnan() for one in note.run(*tried)]


def _in_a_row(owners: Tensor, images: int) -> bool:
    """Whether each image owns as many numbers as the others, in a row; those that are no image's count for any."""
    if owners.numel() % images:
        return False
    rows = owners.reshape(images, -1)
    return bool(((rows == torch.arange(images, device=owners.device).unsqueeze(1)) | (rows < 0)).all())


def may_be_split(note: Note, images: int) -> bool:
    """Whether the way back through `note` can be gone for a few of the images without the others."""
    rows = [
        len(tensor) % images == 0 if tensor.dim() else False
        for tensor, value in zip(note.tensors, note.inputs, strict=True)
        if value
    ]
    if note.name == "conv2d" and note.given(4, "padding") == "same":
        return False
    return all(rows) and (
        _goes_by_row(note)
        or note.name in _BY_NUMBER | _IN_ORDER
        or note.name in ("add", "sub", "cat")
        and None not in note.inputs
    )
