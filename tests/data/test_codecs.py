"""Arrays and images that bytes hold: the same as numpy and Pillow read."""

from io import BytesIO

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from aiok_spark.core.errors import DataError
from aiok_spark.data.codecs import decode
from aiok_spark.data.unischema import UnischemaField

KINDS = st.sampled_from([np.uint8, np.int64, np.float32, np.float64, np.bool_])


def npy(array):
    out = BytesIO()
    np.save(out, array)
    return out.getvalue()


def npz(array):
    out = BytesIO()
    np.savez_compressed(out, arr=array)
    return out.getvalue()


def image(array, kind):
    out = BytesIO()
    Image.fromarray(array).save(out, kind)
    return out.getvalue()


def field(codec, kind=np.float32, shape=(None, None)):
    return UnischemaField("x", kind, shape, codec)


@given(KINDS, st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=6), st.booleans())
def test_arrays_are_what_numpy_has_saved(kind, shapes, compressed):
    given_ = [np.arange(h * w).reshape(h, w).astype(kind) for h, w, _ in shapes]
    given_ = [np.asfortranarray(a) if f else a for a, (_, _, f) in zip(given_, shapes, strict=True)]
    column = pa.array([(npz if compressed else npy)(a) for a in given_], pa.binary())
    found = decode(field("CompressedNdarrayCodec" if compressed else "NdarrayCodec", kind), column, "here")
    assert len(found) == len(given_)
    for made, wanted in zip(found, given_, strict=True):
        assert made.dtype == wanted.dtype
        assert made.shape == wanted.shape
        assert (made == wanted).all()
    assert (found.dtype == object) == (len({a.shape for a in given_}) != 1)


@given(arrays.arrays(np.uint8, st.sampled_from([(5, 7), (5, 7, 3)])))
def test_images_are_what_was_drawn(drawn):
    shape = (None, 7, *drawn.shape[2:])
    found = decode(field("CompressedImageCodec", np.uint8, shape), pa.array([image(drawn, "png")]), "here")
    assert (found[0] == drawn).all()


def test_a_jpeg_is_nearly_what_was_drawn():
    drawn = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)
    found = decode(field("CompressedImageCodec", np.uint8, (64, 48)), pa.array([image(drawn, "jpeg")]), "here")
    assert np.abs(found[0].astype(int) - drawn).max() < 8


def test_nulls_are_none():
    found = decode(field("NdarrayCodec", shape=(2,)), pa.array([npy(np.zeros(2)), None]), "here")
    assert found[0].tolist() == [0, 0]
    assert found[1] is None


@pytest.mark.parametrize(
    ("codec", "data", "found"),
    [
        ("NdarrayCodec", b"", "does not read"),
        ("NdarrayCodec", npy(np.zeros((2, 2)))[:-1], "does not read"),
        ("NdarrayCodec", npy(np.array([[object()]])), "does not read .*allow_pickle"),
        ("NdarrayCodec", npy(np.zeros(2)), r"float64 of shape \(2,\)"),
        ("CompressedNdarrayCodec", npy(np.zeros((2, 2))), "does not read"),
        ("CompressedImageCodec", b"GIF89a", "does not read"),
    ],
)
def test_other_bytes_are_named(codec, data, found):
    with pytest.raises(DataError, match=rf"here: column 'x', row 1 of its row group: found .*{found}"):
        decode(field(codec), pa.array([None, data]), "here")
