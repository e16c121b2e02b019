"""What may be sent as an image, and what becomes of it."""

import pickle
import random
import struct
import threading
import zipfile
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from visreward.protocol import Code
from visreward_service.models import images
from visreward_service.models.images import FORMATS, ImageFault, decode, read_header

LIMITS: dict[str, Any] = {"formats": FORMATS, "max_bytes": 20 * 2**20, "max_pixels": 50_000_000}
WORDS = {
    "the image is empty",
    "the image has more than 20971520 bytes",
    "the image has more than 50000000 pixels",
    "the image is none of jpeg, png, webp, gif, bmp",
    "the image cannot be decoded; it may be cut short or damaged",
    "a progressive JPEG of more than 100 scans",
    "a BMP with run-length compression",
}


def photo(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    """Smooth noise: every pixel differs from its mirror image."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def fault_of(data: bytes, **limits: Any) -> ImageFault:
    """The fault of `decode`; its message is one of ours."""
    with pytest.raises(ImageFault) as caught:
        decode(data, **LIMITS | limits)
    if not limits:
        assert caught.value.message in WORDS
    return caught.value


@pytest.mark.parametrize(
    ("format_", "options"),
    [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 90}), ("GIF", {})],
)
def test_every_allowed_format_decodes_to_what_pillow_shows(format_: str, options: dict[str, Any]) -> None:
    data = encode(photo(), format_, **options)
    expected = np.asarray(Image.open(BytesIO(data)).convert("RGB"))
    decoded = decode(data, **LIMITS)
    assert decoded.size == (64, 48)
    assert decoded.rgb.dtype == np.uint8
    assert decoded.rgb.flags.c_contiguous
    assert np.array_equal(decoded.rgb, expected)
    header = read_header(data, **LIMITS)
    assert (header.format, header.width, header.height, header.num_frames) == (format_.lower(), 64, 48, 1)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2, "4:1:1"])
def test_jpeg_pixels_are_pillows_to_the_last_bit(
    subsampling: int | str, progressive: bool, mode: str
) -> None:
    for size in [(160, 120), (161, 119), (17, 9), (1, 1), (1, 70)]:
        jpeg = encode(
            photo(*size).convert(mode), "JPEG", quality=85, subsampling=subsampling, progressive=progressive
        )
        expected = np.asarray(Image.open(BytesIO(jpeg)).convert("RGB"))
        assert np.array_equal(decode(jpeg, **LIMITS).rgb, expected)


def test_jpeg_decodes_the_same_without_the_fast_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    jpeg = encode(photo(101, 67), "JPEG", quality=80)
    fast = decode(jpeg, **LIMITS).rgb
    monkeypatch.setattr(images, "has_exact_turbojpeg", lambda: False)
    assert np.array_equal(decode(jpeg, **LIMITS).rgb, fast)


@pytest.mark.parametrize("fast", [False, True])
def test_a_truncated_jpeg_is_invalid_at_every_length(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not fast:
        monkeypatch.setattr(images, "has_exact_turbojpeg", lambda: False)
    jpeg = encode(photo(), "JPEG")
    for length in [3, 20, len(jpeg) // 3, len(jpeg) // 2, len(jpeg) - 40]:
        assert fault_of(jpeg[:length]).code == Code.IMAGE_INVALID


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "GIF", "BMP"])
def test_a_truncated_file_of_any_format_is_invalid(format_: str) -> None:
    data = encode(photo(), format_)
    for length in [len(data) // 2, len(data) - len(data) // 4]:
        assert fault_of(data[:length]).code == Code.IMAGE_INVALID


def test_a_huge_png_header_is_refused_before_anything_is_decoded() -> None:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    data = (
        b"\x89PNG\r\n\x1a\n"
        + header
        + png_chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + png_chunk(b"IEND", b"")
    )
    assert fault_of(data).code == Code.IMAGE_TOO_LARGE
    with pytest.raises(ImageFault) as caught:
        read_header(data, **LIMITS)
    assert caught.value.code == Code.IMAGE_TOO_LARGE


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_the_pixel_limit_is_width_times_height_and_inclusive(format_: str) -> None:
    data = encode(photo(), format_)
    assert decode(data, **LIMITS | {"max_pixels": 64 * 48}).size == (64, 48)
    assert fault_of(data, max_pixels=64 * 48 - 1).code == Code.IMAGE_TOO_LARGE


def test_a_pixel_limit_above_pillows_own_is_obeyed() -> None:
    wide = encode(Image.new("1", (10_000, 9_500)))
    assert read_header(wide, **LIMITS | {"max_pixels": 10**8}).width == 10_000


def test_the_byte_limit_is_inclusive() -> None:
    data = encode(photo())
    assert decode(data, **LIMITS | {"max_bytes": len(data)}).size == (64, 48)
    assert fault_of(data, max_bytes=len(data) - 1).code == Code.IMAGE_TOO_LARGE


def test_files_that_are_not_of_an_allowed_format_are_unsupported() -> None:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("image.png", encode(photo()))
    others = [
        archive.getvalue(),
        b"%PDF-1.7\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"II*\0" + b"\0" * 50,
    ]
    others += [encode(photo(), format_) for format_ in ["TIFF", "ICO", "PPM", "TGA", "JPEG2000"]]
    for data in others:
        assert fault_of(data).code == Code.IMAGE_UNSUPPORTED
    assert fault_of(encode(photo(), "BMP"), formats=("jpeg", "png")).code == Code.IMAGE_UNSUPPORTED


def test_nothing_and_noise_are_invalid_or_unsupported() -> None:
    assert fault_of(b"").code == Code.IMAGE_INVALID
    assert fault_of(b"\xff\xd8\xff" + random.Random(0).randbytes(500)).code == Code.IMAGE_INVALID
    assert fault_of(random.Random(1).randbytes(500)).code == Code.IMAGE_UNSUPPORTED


def test_damaged_files_fault_with_our_words_or_decode() -> None:
    dice = random.Random(3)
    said: set[str] = set()
    for format_ in ["PNG", "JPEG", "WEBP", "GIF", "BMP"]:
        whole = encode(photo(), format_)
        for _ in range(60):
            damaged = bytearray(whole)
            for _ in range(dice.randint(1, 8)):
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            try:
                assert decode(bytes(damaged), **LIMITS | {"max_pixels": 10**6}).rgb.ndim == 3
            except ImageFault as fault:
                said.add(fault.message)
    assert said <= WORDS | {"the image has more than 1000000 pixels"}


def test_an_animation_is_its_first_frame() -> None:
    frames = [photo(seed=seed).quantize(64).convert("RGB") for seed in range(4)]
    for format_, options in [("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True})]:
        data = encode(frames[0], format_, save_all=True, append_images=frames[1:], **options)
        assert np.array_equal(decode(data, **LIMITS).rgb, np.asarray(frames[0]))
        assert read_header(data, **LIMITS).num_frames == (2 if format_ == "GIF" else 4)


def test_cmyk_becomes_rgb() -> None:
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    rgb = decode(encode(red, "JPEG", quality=95), **LIMITS).rgb
    assert np.abs(rgb.astype(int) - [255, 0, 0]).max() <= 4


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    rgb = decode(encode(Image.fromarray(ramp)), **LIMITS).rgb
    assert np.array_equal(rgb[..., 0], ramp >> 8)
    assert np.array_equal(rgb[..., 0], rgb[..., 2])


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_gray_bilevel_and_palette_images_become_rgb(mode: str) -> None:
    image = photo().convert(mode)
    assert np.array_equal(decode(encode(image), **LIMITS).rgb, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_white(mode: str) -> None:
    image = Image.new("RGBA", (3, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    image.putpixel((2, 0), (0, 0, 0, 128))
    rgb = decode(encode(image.convert(mode)), **LIMITS).rgb
    assert rgb[0].tolist() == [[0] * 3, [255] * 3, [127] * 3]


def test_a_transparent_palette_entry_and_colour_key_show_white() -> None:
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((1, 0), 1)
    assert decode(encode(palette, transparency=0), **LIMITS).rgb[0].tolist() == [[255] * 3, [200, 100, 50]]
    keyed = Image.new("RGB", (2, 1), (1, 2, 3))
    keyed.putpixel((1, 0), (9, 9, 9))
    assert decode(encode(keyed, transparency=(1, 2, 3)), **LIMITS).rgb[0].tolist() == [[255] * 3, [9] * 3]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_gives_the_upright_image(format_: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[images.ORIENTATION_TAG] = orientation
    options = {"lossless": True} if format_ == "WEBP" else {}
    data = encode(photo(), format_, exif=exif, **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB"))
    assert np.array_equal(decode(data, **LIMITS).rgb, expected)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff"]
)
def test_a_damaged_exif_block_costs_nothing(exif: bytes) -> None:
    assert decode(encode(photo(), "JPEG", exif=exif), **LIMITS).size == (64, 48)


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"iCCP"])
def test_a_bomb_in_a_png_text_or_profile_never_expands(name: bytes) -> None:
    bomb = zlib.compress(b"\0" * 30_000_000, 9)
    head = {b"zTXt": b"k\0\0", b"iTXt": b"k\0\1\0\0\0", b"iCCP": b"k\0\0"}[name]
    png = encode(photo())
    data = png[:33] + png_chunk(name, head + bomb) + png[33:]
    assert fault_of(data).code == Code.IMAGE_INVALID


def test_ordinary_png_text_is_no_obstacle() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "a red ball", zip=True)
    assert decode(encode(photo(), pnginfo=info), **LIMITS).size == (64, 48)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1)])
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_single_pixels_and_lines_are_images(format_: str, size: tuple[int, int]) -> None:
    assert decode(encode(photo(*size), format_), **LIMITS).size == size


def test_a_progressive_jpeg_of_endless_scans_is_refused() -> None:
    jpeg = encode(photo(), "JPEG", progressive=True)
    scans = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 101
    assert fault_of(jpeg[:-2] + scans + b"\xff\xd9").code == Code.IMAGE_UNSUPPORTED


def test_a_run_length_bmp_is_refused() -> None:
    header = struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 8, 1, 8, 0, 0, 256, 0)
    body = header + b"\0\0\0\0" * 256 + b"\x02\x01\0\0\x02\x01\0\1"
    assert fault_of(b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, 14 + 40 + 1024) + body).code == (
        Code.IMAGE_UNSUPPORTED
    )


def test_threads_decode_the_same_pixels() -> None:
    jpegs = [encode(photo(90, 70, seed), "JPEG") for seed in range(4)]
    expected = [decode(jpeg, **LIMITS).rgb for jpeg in jpegs]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(20):
            for index, jpeg in enumerate(jpegs):
                if not np.array_equal(decode(jpeg, **LIMITS).rgb, expected[index]):
                    wrong.append(index)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_fault_survives_a_process_boundary() -> None:
    fault = fault_of(b"")
    copy = pickle.loads(pickle.dumps(fault))  # noqa: S301 - our own bytes
    assert (copy.code, copy.message) == (fault.code, fault.message)
