"""Whether each image of a batch goes its own way, as if it had been recorded alone.

Each image owns as many of a tensor's numbers as the others, in a row, in the order in which the tensor counts them. So
it is with the images themselves, and a function keeps it so if an image's part of its output comes from the image's own
part of its input.
"""

import torch

from helpers.deconvnet.tape import Note

# Each row of their first dimension goes its own way,
_BY_ROW = {
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
    """Whether `note` does, of a batch of so many images."""
    shapes = [value.tensor.shape for value in note.outputs if value.tensor is not None]
    if any(shape.numel() % images for shape in shapes):
        return False
    if note.name in _BY_NUMBER or note.name in _IN_ORDER:
        return True
    if _goes_by_row(note):
        return len(note.tensors[0]) % images == 0
    if note.name in ("add", "sub") and all(tensor.shape == shapes[0] for tensor in note.tensors):
        return True
    return _found_apart(note, images)


def _goes_by_row(note: Note) -> bool:
    dim = note.tensors[0].dim()
    # Of three dimensions, the first is that of the channels.
    return note.name in _BY_ROW or note.name == "conv2d" and dim == 4 or note.name == "linear" and dim > 1


def _found_apart(note: Note, images: int) -> bool:
    """By trial: NaN in half of the images may not reach the others, for so many halves that each two are parted."""
    if any(tensor.numel() % images for tensor, carries in zip(note.tensors, note.carry, strict=True) if carries):
        return False
    for bit in range((images - 1).bit_length()):
        half = torch.tensor([image >> bit & 1 == 1 for image in range(images)])
        for there in (half, ~half):
            tried = []
            for tensor, carries in zip(note.tensors, note.carry, strict=True):
                if carries:
                    tensor = torch.zeros(tensor.shape, dtype=tensor.dtype, device=tensor.device)
                    tensor.view(images, -1)[there] = torch.nan
                tried.append(tensor)
            with torch.no_grad():
                outputs = [one for one in note.run(*tried) if one.is_floating_point()]
            if any(one.reshape(images, -1)[~there].isnan().any() for one in outputs):
                return False
    return True


def may_be_split(note: Note, images: int) -> bool:
    """Whether the way back through `note` can be gone for a few of the images without the others."""
    rows = [
        len(tensor) % images == 0 if tensor.dim() else False
        for tensor, value in zip(note.tensors, note.inputs, strict=True)
        if value
    ]
    if note.name == "conv2d" and "same" in (*note.args[4:5], note.kwargs.get("padding")):
        return False
    return all(rows) and (
        _goes_by_row(note)
        or note.name in _BY_NUMBER | _IN_ORDER
        or note.name in ("add", "sub", "cat")
        and None not in note.inputs
    )
