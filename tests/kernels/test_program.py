"""Programs: kernels over named columns."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from aiok_spark.kernels.program import Instruction, Program

DOUBLE = pa.float64()


def instruction(kernel, reads, writes, kind=DOUBLE):
    return Instruction("Stage(uid)", kernel, reads, writes, (kind,) * len(reads), (kind,) * len(writes))


def double(columns):
    return [pc.multiply(c, 2.0) for c in columns]


def test_a_later_instruction_sees_what_an_earlier_one_replaced():
    program = Program(("x",), ("x", "y"), (instruction(double, ("x",), ("x",)), instruction(double, ("x",), ("y",))))
    assert [a.to_pylist() for a in program([pa.array([1, 2])])] == [[2.0, 4.0], [4.0, 8.0]]


def test_inputs_and_outputs_are_cast():
    program = Program(("x",), ("y",), (instruction(lambda c: [pa.array([1, 2])], ("x",), ("y",), pa.float32()),))
    assert program([pa.array([1, 2])])[0].type == pa.float32()


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (lambda c: [], r"Stage\(uid\): the kernel gave 0 arrays, expected 1"),
        (lambda c: [c[0].slice(1)], r"Stage\(uid\): the kernel gave 1 values for 'y', expected 2"),
    ],
)
def test_a_kernel_that_loses_arrays_or_rows_is_stopped(kernel, message):
    with pytest.raises(ValueError, match=message):
        Program(("x",), ("y",), (instruction(kernel, ("x",), ("y",)),))([pa.array([1.0, 2.0])])
