"""Photographs as tensors: the 170 that lie in `data/photos`, and yours.

They are shown as they are read. What a network subtracts before it looks is its own affair.
"""

import csv
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from helpers.checks import check_count, kind_of
from helpers.data import DATA

# Transparent pixels come to lie on the mean colour of ImageNet's photographs, of which networks see nothing.
GROUND = (124, 117, 104)


def load_photos() -> tuple[Tensor, list[str], list[str]]:
    """The 170 pictures of `data/photos`, in alphabetical order: 31 photographs, then 139 things on a plain ground.

    Returns:
        images `(170, 3, 227, 227)`, float32, red, green and blue from 0 to 1, the middle of each; their names; and what
        kind of thing each shows.

    Raises:
        OSError: a file is missing or can't be read.
        ValueError: one holds no picture.

    Source: `data/photos/README.md`, with the licences.
    """
    with open(DATA / "photos" / "kinds.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    images = torch.stack([middle(load_photo(DATA / "photos" / row["file"])) for row in rows])
    return images, [Path(row["file"]).stem for row in rows], [row["kind"] for row in rows]


def load_photo(path: Path | str) -> Tensor:
    """A photograph of your own, as a viewer shows it: turned as the camera noted, and on grey where it is transparent.

    Args:
        path: a file that Pillow reads, such as JPEG, PNG or WebP. `~` is your home.

    Returns:
        `(3, H, W)`, float32, red, green and blue from 0 to 1.

    Raises:
        OSError: there is no such file, or it can't be read.
        ValueError: it is no picture, is cut off or damaged, moves, or has more pixels than Pillow takes for harmless.
    """
    path = Path(path).expanduser()
    with warnings.catch_warnings(), open(path, "rb") as file:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # What Pillow has to say of odd metadata does not concern the pixels.
        warnings.simplefilter("ignore", UserWarning)
        try:
            image: Image.Image = Image.open(file)
            # A camera's preview beside the photograph is no second picture.
            count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            if count == 1:
                image = ImageOps.exif_transpose(image)
                image.load()
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise ValueError(f"{path} has too many pixels; save it smaller, some 2,000 wide: {error}") from None
        except UnidentifiedImageError:
            wanted = "a picture such as JPEG or PNG (a telephone's HEIC: export it as JPEG)"
            raise ValueError(f"{path} holds no picture that Pillow can read; load_photo needs {wanted}") from None
        # Pillow's decoders answer damaged files with errors of many types.
        except Exception as error:
            raise ValueError(f"{path} is cut off or damaged: {error}") from None
    if count > 1:
        raise ValueError(f"{path} holds {count} pictures, one after the other; save the one that you want")
    return _pixels(image, path)


def _pixels(image: Image.Image, path: Path) -> Tensor:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        # Pillow would cut these off at 255.
        grey = torch.from_numpy(np.array(image).astype(np.float32))
        if image.mode == "F" or grey.min() < 0 or grey.max() > 65535:
            raise ValueError(
                f"{path} holds measured numbers, not 256 or 65,536 levels of grey; save it as one of these"
            )
        return (grey / 65535).expand(3, -1, -1).contiguous()
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (*GROUND, 255))
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return transforms.pil_to_tensor(image.convert("RGB")).float() / 255


def middle(photo: Tensor, side: int = 227) -> Tensor:
    """The middle of a photograph, as networks are shown it: a square, of which little is lost at the ends.

    Args:
        photo: `(3, H, W)`, floating point.
        side: of the square. A photograph whose shorter side is not between this and 9/8 of it is scaled to 9/8.

    Returns:
        `(3, side, side)`.

    Raises:
        TypeError: `photo` is no tensor of floating-point pixels, or `side` no integer.
        ValueError: `photo` has another shape, or `side` is not positive.
    """
    if not isinstance(photo, Tensor) or not photo.is_floating_point():
        raise TypeError(f"photo is {kind_of(photo)}; middle needs a tensor of floating-point pixels")
    if photo.dim() != 3 or len(photo) != 3 or photo.numel() == 0:
        raise ValueError(f"photo has the shape {tuple(photo.shape)}; middle needs (3, H, W)")
    side = check_count("side", side)
    if not side <= min(photo.shape[1:]) <= side * 9 / 8 + 1:
        photo = transforms.resize(photo, [round(side * 9 / 8)], antialias=True)
    return transforms.center_crop(photo, [side, side])
