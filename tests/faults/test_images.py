"""Hostile, damaged and unusual image files, given to every reader of images alike."""

import json
import os
import struct
import threading
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps, PngImagePlugin

from lightning_bam.config import CocoDetection, ConfigError, ImageFolder, ImageNet
from lightning_bam.data import image_reader, load
from lightning_bam.data.image_files import ImageFiles, listing
from lightning_bam.data.stream import Stream
from lightning_bam.data.views import Fitted
from lightning_bam.detection.data import load_scenes

HEIGHT, WIDTH = 11, 17
GREY = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
NAME = "x.png"


def in_memory(root, put, height, width):
    for part in ("train", "test"):
        for name in ("ant", "bee"):
            folder = root / "zoo" / part / name
            folder.mkdir(parents=True)
            put(folder / NAME)
    return load(ImageFolder(name="zoo", height=height, width=width)).train[1]


def streamed(root, put, height, width):
    in_folder = root / "zoo" / "ant"
    in_folder.mkdir(parents=True)
    put(in_folder / NAME)
    files, _ = listing(root / "zoo", "zoo")
    stream = Stream(ImageFiles(files, files, Fitted(height, width)), torch.device("cpu"), 0)
    return next(iter(stream.score(stream.scored(0, 1))))[0][0]


def in_coco(root, put, height, width):
    for part in ("train", "val"):
        folder = root / "coco" / f"{part}2017"
        folder.mkdir(parents=True)
        put(folder / NAME)
        path = root / "coco" / "annotations" / f"instances_{part}2017.json"
        path.parent.mkdir(exist_ok=True)
        image = {"id": 7, "file_name": NAME, "height": height, "width": width}
        box = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 1, 5, 5]}
        path.write_text(json.dumps({"images": [image], "annotations": [box], "categories": [{"id": 3}]}))
    return load_scenes(CocoDetection(classes=1)).train.image(0)


READERS = pytest.mark.parametrize("reader", [in_memory, streamed, in_coco])


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("BAM_DATA", str(tmp_path))
    monkeypatch.setattr(ImageFiles, "statistics", (torch.zeros(3), torch.ones(3)))
    return tmp_path


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def saved(image, kind, **options):
    return lambda path: image.save(path, format=kind, **options)


def written(data):
    return lambda path: path.write_bytes(data)


def wide_png(samples, colour):
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return written(png(WIDTH, HEIGHT, 16, colour, rows))


def turned(orientation, image=None):
    """Write an image that EXIF turns back to `image`."""
    image = Image.fromarray(COLOUR) if image is None else image
    undo = {None: None, **image_reader.TURNS, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    stored = image if undo.get(orientation) is None else image.transpose(undo[orientation])
    exif = Image.Exif()
    exif[274] = orientation
    return stored, exif


def squares(paper):
    image = Image.fromarray(COLOUR).quantize(16)
    return image, np.asarray(image.convert("RGB")), {"transparency": paper}


PALETTE, PAINTED, SEE_THROUGH = squares(bytes([0, 127] + [255] * 14))
VEILED = np.dstack((COLOUR, GREY))
BITS = (GREY > 127).astype(np.uint8) * 255
WIDE = np.random.default_rng(2).integers(0, 2**16, (HEIGHT, WIDTH), dtype=np.uint16)
WIDE_COLOUR = np.random.default_rng(3).integers(0, 2**16, (HEIGHT, WIDTH, 3), dtype=np.uint16)
FINE = {
    "rgb": (saved(Image.fromarray(COLOUR), "PNG"), COLOUR),
    "bmp": (saved(Image.fromarray(COLOUR), "BMP"), COLOUR),
    "tiff": (saved(Image.fromarray(COLOUR), "TIFF", compression="tiff_lzw"), COLOUR),
    "webp": (saved(Image.fromarray(COLOUR), "WEBP", lossless=True), COLOUR),
    "ppm": (saved(Image.fromarray(COLOUR), "PPM"), COLOUR),
    "pgm": (saved(Image.fromarray(GREY), "PPM"), GREY),
    "gif": (saved(Image.fromarray(GREY), "GIF"), GREY),
    "one bit": (saved(Image.fromarray(BITS).convert("1"), "PNG"), BITS),
    "palette": (saved(PALETTE, "PNG"), PAINTED),
    "palette with transparency": (saved(PALETTE, "PNG", **SEE_THROUGH), PAINTED),
    "transparency": (saved(Image.fromarray(VEILED, "RGBA"), "PNG"), COLOUR),
    "16-bit grey, widened": (wide_png(GREY.astype(np.uint16) * 257, 0), GREY),
    "16-bit grey, shifted": (wide_png(GREY.astype(np.uint16) * 256, 0), GREY),
    "16-bit grey": (wide_png(WIDE, 0), (WIDE >> 8).astype(np.uint8)),
    "16-bit colour": (wide_png(WIDE_COLOUR, 2), (WIDE_COLOUR >> 8).astype(np.uint8)),
    "16-bit PGM": (saved(Image.fromarray(WIDE), "PPM"), (WIDE >> 8).astype(np.uint8)),
    "10-bit PGM": (
        written(f"P5 {WIDTH} {HEIGHT} 1023 ".encode() + (GREY.astype(np.uint16) * 4).astype(">u2").tobytes()),
        (np.round(GREY.astype(int) * 4 / 1023 * 65535).astype(int) >> 8).astype(np.uint8),
    ),
    "16-bit TIFF": (saved(Image.fromarray(WIDE), "TIFF"), (WIDE >> 8).astype(np.uint8)),
}


@READERS
@pytest.mark.parametrize("kind", FINE)
def test_pixels_are_those_of_the_file(root, reader, kind):
    put, pixels = FINE[kind]
    pixels = np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels
    assert np.array_equal(reader(root, put, HEIGHT, WIDTH).permute(1, 2, 0).numpy(), pixels)


def tiff(samples, order, bits, photometric=1):
    """Return a grey TIFF of one strip, written by hand."""
    mark, data = ("<", b"II") if order == "little" else (">", b"MM"), samples
    sign, magic = mark
    tags = [(256, WIDTH), (257, HEIGHT), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1), (278, HEIGHT)]
    tags.append((279, len(data)))
    directory = struct.pack(f"{sign}H", len(tags))
    directory += b"".join(struct.pack(f"{sign}HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    return magic + struct.pack(f"{sign}HI", 42, 8 + len(data)) + data + directory + bytes(4)


@pytest.mark.parametrize(
    ("data", "pixels"),
    [
        (tiff(WIDE.astype("<u2").tobytes(), "little", 16), WIDE >> 8),
        (tiff(WIDE.astype(">u2").tobytes(), "big", 16), WIDE >> 8),
        (tiff(WIDE.astype("<u2").tobytes(), "little", 16, photometric=0), 255 - (WIDE >> 8)),
        (
            tiff(np.full((HEIGHT, 26), [0xAB, 0xCD, 0xEF] * 8 + [0xAB, 0xC0], np.uint8).tobytes(), "little", 12),
            np.tile([0xAB, 0xDE], 9)[:WIDTH] * np.ones((HEIGHT, 1), int),
        ),
    ],
    ids=["little", "big", "white is zero", "12 bits"],
)
def test_tiffs_of_16_and_12_bits(root, data, pixels):
    seen = in_coco(root, written(data), HEIGHT, WIDTH).permute(1, 2, 0).numpy()
    assert np.array_equal(seen, np.dstack([pixels] * 3))


def test_a_printers_jpeg_has_the_colours_it_was_made_with(root):
    ink = Image.new("CMYK", (WIDTH, HEIGHT), (255, 0, 0, 51))
    seen = in_coco(root, saved(ink, "JPEG", quality=100), HEIGHT, WIDTH)
    assert (seen.flatten(1).T.int() - torch.tensor([0, 204, 204])).abs().max() <= 3


@READERS
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_exif_turns_images_upright(root, reader, orientation, kind):
    stored, exif = turned(orientation)
    put = saved(stored, kind, exif=exif, lossless=True) if kind == "WEBP" else saved(stored, kind, exif=exif)
    put(root / "stored")
    with Image.open(root / "stored") as image:
        assert np.array_equal(np.asarray(ImageOps.exif_transpose(image)), COLOUR), "what Pillow makes of it"
    assert np.array_equal(reader(root, put, HEIGHT, WIDTH).permute(1, 2, 0).numpy(), COLOUR)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:.*EXIF")
def test_a_cameras_jpeg_is_turned_and_broken_exif_turns_nothing(root):
    stored, exif = turned(6, Image.fromarray(np.full((16, 24, 3), 9, np.uint8)))
    stored.save(root / "a.jpg", exif=exif)
    stored.save(root / "b.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    stored.save(root / "c.jpg", exif=b"Exif\0\0garbage")
    assert [image_reader.read_image(root / name).size for name in ("a.jpg", "b.jpg", "c.jpg")] == [
        (24, 16),
        (16, 24),
        (16, 24),
    ]
    assert image_reader.image_size(root / "a.jpg") == (24, 16)


def text_bomb():
    comments = PngImagePlugin.PngInfo()
    comments.add_text("x", "a" * 2**21, zip=True)
    return saved(Image.fromarray(COLOUR), "PNG", pnginfo=comments)


def frames(kind):
    others = [Image.fromarray(255 - COLOUR)]
    return saved(Image.fromarray(COLOUR), kind, save_all=True, append_images=others)


def cut_short(kind):
    def put(path):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(path, kind)
        path.write_bytes(path.read_bytes()[:3000])

    return put


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 17 11\n%%EndComments\n(%pipe%touch ran) (w) file\nshowpage\n%%EOF\n"
BOMB = png(50_000, 50_000, 1, 0, bytes(1000))
NO_FORMAT = "it is no JPEG, PNG, GIF, BMP, TIFF, WEBP, PPM or PGM"
SEVERAL = "it holds several pages or frames; save the one that is meant as a file of its own"
RANGE = "whose range is not known; save it with 8 or 16 bits a channel"
REFUSED = {
    "PostScript": (written(EPS), NO_FORMAT),
    "icon": (saved(Image.fromarray(COLOUR).resize((16, 16)), "ICO"), NO_FORMAT),
    "nothing": (written(b""), NO_FORMAT),
    "bomb": (written(BOMB), "2500000000 pixels) exceeds limit of 178956970 pixels"),
    "text bomb": (text_bomb(), "Decompressed data too large for PngImagePlugin.MAX_TEXT_CHUNK"),
    "GIF of two frames": (frames("GIF"), SEVERAL),
    "PNG of two frames": (frames("PNG"), SEVERAL),
    "WebP of two frames": (frames("WEBP"), SEVERAL),
    "TIFF of two pages": (frames("TIFF"), SEVERAL),
    "32-bit integers": (saved(Image.fromarray(WIDE.astype(np.int32)), "TIFF"), f"32-bit or signed integers, {RANGE}"),
    "floats": (saved(Image.fromarray(GREY.astype(np.float32) / 255), "TIFF"), f"floating point numbers, {RANGE}"),
    "cut PNG": (cut_short("PNG"), "truncated"),
    "cut JPEG": (cut_short("JPEG"), "truncated"),
    "pipe": (os.mkfifo, "it is no regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is no regular file"),
}


@READERS
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_is_refused_in_one_line_that_names_the_file(root, reader, kind, monkeypatch):
    monkeypatch.chdir(root)
    put, reason = REFUSED[kind]
    size = (90, 90) if kind.startswith("cut") else (HEIGHT, WIDTH)
    with pytest.raises(ConfigError) as refusal:
        reader(root, put, *size)
    message = str(refusal.value)
    if reader is in_coco and kind in {"pipe", "device"}:
        assert message.endswith(f"the first {NAME!r}") or "leads out of" in message
        return
    which = "the image" if reader is not in_memory else "4 of 4 images:"
    assert message.startswith(f"cannot read {which} {root}")
    assert f"{NAME}: " in message
    assert reason in message
    assert "\n" not in message
    assert not (root / "ran").exists()


def test_the_largest_image_is_told_by_its_header_whatever_pillow_was_told(root, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (root / NAME).write_bytes(BOMB)
    with pytest.raises(ConfigError) as refusal:
        image_reader.read_image(root / NAME)
    assert str(refusal.value) == (
        f"cannot read the image {root / NAME}: it has 50000 x 50000 pixels, more than 178956970 in all"
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_photograph_of_150_megapixels_passes(root):
    (root / NAME).write_bytes(png(14_204, 10_652, 1, 0, bytes(1)))
    assert image_reader.image_size(root / NAME) == (14_204, 10_652)


def test_a_file_of_more_than_a_gibibyte_is_not_read(root):
    (root / NAME).write_bytes(b"RIFF\xff\xff\xff\x7fWEBPVP8 ")
    os.truncate(root / NAME, 2**30 + 1)
    with pytest.raises(ConfigError, match="it has 1073741825 bytes, more than 1073741824"):
        image_reader.read_image(root / NAME)


def test_large_images_are_decoded_one_at_a_time(root, monkeypatch):
    decode, now, most = Image.Image.convert, [], []

    def counted(image, *args):
        now.append(1)
        most.append(len(now))
        threading.Event().wait(0.01)
        now.pop()
        return decode(image, *args)

    Image.fromarray(COLOUR).save(root / NAME)
    monkeypatch.setattr(Image.Image, "convert", counted)
    for limit, at_once in ((HEIGHT * WIDTH, 4), (HEIGHT * WIDTH - 1, 1)):
        monkeypatch.setattr(image_reader, "LARGE", limit)
        most.clear()
        threads = [threading.Thread(target=image_reader.read_image, args=(root / NAME,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(most) == 4
        assert max(most) == 1 if at_once == 1 else max(most) > 1


def zoo(root, classes):
    for part in ("train", "test"):
        for name in classes:
            (root / "birds" / part / name).mkdir(parents=True)
            Image.fromarray(COLOUR).save(root / "birds" / part / name / "1.png")


def test_what_is_hidden_is_neither_a_class_nor_an_image(root):
    zoo(root, ["finch", "wren", ".ipynb_checkpoints", "__MACOSX", ".git"])
    for hidden in (".ipynb_checkpoints/1-checkpoint.png", "._1.png", "__MACOSX/1.png"):
        path = root / "birds" / "train" / "wren" / hidden
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"nothing")
    spec = ImageFolder(name="birds", height=8, width=8)
    assert spec.classes == 2
    assert load(spec).train_labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("names", "has"), [(["finch"], "one class folder, 'finch'"), ([".git"], "no class folder")], ids=["one", "none"]
)
def test_fewer_than_two_classes_are_refused(root, names, has):
    zoo(root, names)
    spec = ImageFolder(name="birds", height=8, width=8)
    message = f"image folder 'birds': {root / 'birds' / 'train'} holds {has}; a classifier needs two or more"
    with pytest.raises(ConfigError) as refusal:
        assert spec.classes
    assert str(refusal.value) == message
    with pytest.raises(ConfigError, match=has):
        load(spec)


def test_hidden_folders_are_none_of_imagenets(root):
    (root / "imagenet" / "train" / ".cache").mkdir(parents=True)
    with pytest.raises(ConfigError, match="train holds 0 class folders, not 1000"):
        load(ImageNet())
