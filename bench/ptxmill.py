"""The part of ptxmill's C interface (runtime/ptxmill.h) that the benchmarks use, over ctypes.

PTXMILL_LIBRARY names libptxmill.so; without it, the release build's is used.
"""

import ctypes
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Dim(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_int64)]


class NamedTensor(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("tensor", ctypes.c_void_p)]


class Error(RuntimeError):
    pass


_library = ctypes.CDLL(os.environ.get("PTXMILL_LIBRARY", str(ROOT / "build/release/runtime/libptxmill.so")))
_library.ptxmill_last_error.restype = ctypes.c_char_p


def _call(name, *arguments):
    if getattr(_library, name)(*arguments) != 0:
        raise Error(f"{name}: {_library.ptxmill_last_error().decode()}")


def _make(name, *arguments):
    """Calls a function that stores the new object through its last argument."""
    result = ctypes.c_void_p()
    _call(name, *arguments, ctypes.byref(result))
    return result


def _dims(dims):
    return (Dim * len(dims))(*[Dim(name.encode(), value) for name, value in dims.items()]), ctypes.c_size_t(len(dims))


_DTYPES = {"torch.float32": b"f32", "torch.float16": b"f16", "torch.bfloat16": b"bf16"}


class Device:
    """The primary context of a device, which PyTorch uses too."""

    def __init__(self, ordinal=0):
        self.handle = _make("ptxmill_device_open", ctypes.c_int(ordinal))
        self._kept = []

    def stream(self, torch_stream):
        return _make("ptxmill_stream_wrap", self.handle, ctypes.c_void_p(torch_stream.cuda_stream))

    def tensor(self, tensor):
        """A view of a contiguous PyTorch tensor of f32, f16 or bf16; both are kept until `forget`."""
        assert tensor.is_contiguous()
        shape = (ctypes.c_int64 * tensor.dim())(*tensor.shape)
        view = _make("ptxmill_tensor_wrap", self.handle, ctypes.c_uint64(tensor.data_ptr()),
                     _DTYPES[str(tensor.dtype)], shape, ctypes.c_size_t(tensor.dim()))
        self._kept.append((tensor, view))
        return view

    def forget(self):
        """Lets go of the tensors so far; what was bound to them must not be launched again."""
        for _, view in self._kept:
            _library.ptxmill_tensor_close(view)
        self._kept.clear()

    def library(self, directory):
        library = _make("ptxmill_library_open", self.handle, str(directory).encode())
        _call("ptxmill_library_preload", library)
        return library


class Argument(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int32), ("tensor", ctypes.c_void_p), ("real", ctypes.c_double),
                ("integer", ctypes.c_int64)]


class Kernel:
    """A kernel of a library; arguments in the order of its parameters: tensors, None, floats, ints."""

    def __init__(self, device, library, name):
        self._device = device
        self._handle = _make("ptxmill_kernel_open", library, name.encode())

    def _argument(self, value):
        if isinstance(value, float):
            return Argument(kind=1, real=value)
        if isinstance(value, int):
            return Argument(kind=2, integer=value)
        return Argument(kind=0, tensor=None if value is None else self._device.tensor(value))

    def bind(self, stream, *arguments, **dims):
        """A function that launches the kernel with these arguments."""
        packed = (Argument * len(arguments))(*[self._argument(a) for a in arguments])
        named, count = _dims(dims)

        def launch():
            _call("ptxmill_kernel_launch", self._handle, stream, named, count, packed, ctypes.c_size_t(len(arguments)))

        return launch


class Block:
    """A block of a library, with its weights."""

    def __init__(self, device, library, name):
        self._device = device
        self._handle = _make("ptxmill_block_open", library, name.encode())

    def _named(self, tensors):
        views = [NamedTensor(name.encode(), self._device.tensor(tensor)) for name, tensor in tensors.items()]
        return (NamedTensor * len(views))(*views), ctypes.c_size_t(len(views))

    def prepare(self, stream, weights, **max_dims):
        _call("ptxmill_block_prepare", self._handle, stream, *self._named(weights), *_dims(max_dims))

    def forward(self, stream, inputs, outputs, **dims):
        _call("ptxmill_block_forward", self._handle, stream, *_dims(dims), *self._named(inputs), *self._named(outputs))
