#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "runtime/counters.hpp"
#include "runtime/error.hpp"
#include "runtime/plan.hpp"
#include "runtime/ptxmill.h"
#include "runtime/text.hpp"

namespace rt = ptxmill::rt;

struct ptxmill_device {
  rt::Device value;
};
struct ptxmill_stream {
  rt::Stream value;
};
struct ptxmill_tensor {
  rt::Tensor value;
};
struct ptxmill_library {
  rt::KernelLibrary value;
};
struct ptxmill_kernel {
  rt::Kernel value;
};
struct ptxmill_block {
  rt::Block value;
};

namespace {

thread_local std::string last_error;

ptxmill_status status_of(rt::ErrorCode code) {
  switch (code) {
    case rt::ErrorCode::invalid_argument: return PTXMILL_INVALID_ARGUMENT;
    case rt::ErrorCode::not_found: return PTXMILL_NOT_FOUND;
    case rt::ErrorCode::incompatible: return PTXMILL_INCOMPATIBLE;
    case rt::ErrorCode::corrupt: return PTXMILL_CORRUPT;
    case rt::ErrorCode::out_of_memory: return PTXMILL_OUT_OF_MEMORY;
    case rt::ErrorCode::context_lost: return PTXMILL_CONTEXT_LOST;
    case rt::ErrorCode::timeout: return PTXMILL_TIMEOUT;
    case rt::ErrorCode::no_driver: return PTXMILL_NO_DRIVER;
    case rt::ErrorCode::driver: return PTXMILL_DRIVER;
  }
  return PTXMILL_INTERNAL;
}

ptxmill_status failed(ptxmill_status status, const char* words) noexcept {
  try {
    last_error = words;
  } catch (...) {
    last_error.clear();
  }
  return status;
}

/// Runs `work`, and turns whatever it throws into a status and this thread's last words.
template <class Work>
ptxmill_status guarded(Work work) noexcept {
  try {
    work();
    return PTXMILL_OK;
  } catch (const rt::Error& error) {
    return failed(status_of(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return failed(PTXMILL_OUT_OF_MEMORY, "out of host memory");
  } catch (const std::exception& error) {
    return failed(PTXMILL_INTERNAL, error.what());
  } catch (...) {
    return failed(PTXMILL_INTERNAL, "an unknown exception");
  }
}

/// The object behind a pointer that must not be null.
template <class T>
T& need(T* pointer, const char* name) {
  if (pointer == nullptr)
    throw rt::Error(rt::ErrorCode::invalid_argument, rt::concat("'", name, "' is null"));
  return *pointer;
}

/// Stores a new object made of what `make` returns.
template <class Handle, class Make>
ptxmill_status stored(Handle** slot, const char* name, Make make) noexcept {
  return guarded([&] {
    Handle*& out = need(slot, name);
    out = new Handle{make()};
  });
}

template <class T>
std::span<const T> span_of(const T* first, std::size_t count, const char* name) {
  if (count > 0) need(first, name);
  return {first, count};
}

rt::DType dtype_of(const char* text) {
  if (const auto dtype = rt::dtype_named(&need(text, "dtype"))) return *dtype;
  throw rt::Error(rt::ErrorCode::invalid_argument, rt::concat("'", text, "' is no dtype"));
}

std::vector<rt::Dim> dims_of(const ptxmill_dim* dims, std::size_t count) {
  std::vector<rt::Dim> result;
  for (const ptxmill_dim& dim : span_of(dims, count, "dims"))
    result.push_back({&need(dim.name, "a dimension's name"), dim.value});
  return result;
}

const rt::Tensor& tensor_or_none(const ptxmill_tensor* tensor) {
  static const rt::Tensor none;
  return tensor == nullptr ? none : tensor->value;
}

std::vector<rt::NamedTensor> tensors_of(const ptxmill_named_tensor* tensors, std::size_t count,
                                        const char* name) {
  std::vector<rt::NamedTensor> result;
  for (const ptxmill_named_tensor& entry : span_of(tensors, count, name))
    result.push_back({&need(entry.name, "a tensor's name"), tensor_or_none(entry.tensor)});
  return result;
}

rt::Argument argument_of(const ptxmill_argument& argument) {
  switch (argument.kind) {
    case PTXMILL_ARGUMENT_TENSOR: return tensor_or_none(argument.tensor);
    case PTXMILL_ARGUMENT_REAL: return argument.real;
    case PTXMILL_ARGUMENT_INTEGER: return argument.integer;
  }
  throw rt::Error(rt::ErrorCode::invalid_argument, rt::concat("an argument is of the unknown kind ",
                                                              static_cast<int>(argument.kind)));
}

}  // namespace

const char* ptxmill_last_error(void) { return last_error.c_str(); }

const char* ptxmill_version(void) { return PTXMILL_VERSION; }

ptxmill_status ptxmill_device_open(int ordinal, ptxmill_device** device) {
  return stored(device, "device", [&] { return rt::Device::open(ordinal); });
}

ptxmill_status ptxmill_device_from_context(void* context, ptxmill_device** device) {
  return stored(device, "device",
                [&] { return rt::Device::from_context(static_cast<rt::cu::Context>(context)); });
}

void ptxmill_device_close(ptxmill_device* device) { delete device; }

ptxmill_status ptxmill_stream_create(const ptxmill_device* device, ptxmill_stream** stream) {
  return stored(stream, "stream", [&] { return rt::Stream(need(device, "device").value); });
}

ptxmill_status ptxmill_stream_wrap(const ptxmill_device* device, void* cuda_stream,
                                   ptxmill_stream** stream) {
  return stored(stream, "stream", [&] {
    return rt::Stream::wrap(need(device, "device").value, static_cast<rt::cu::Stream>(cuda_stream));
  });
}

ptxmill_status ptxmill_stream_synchronize(const ptxmill_stream* stream) {
  return guarded([&] { need(stream, "stream").value.synchronize(); });
}

void ptxmill_stream_close(ptxmill_stream* stream) { delete stream; }

ptxmill_status ptxmill_tensor_empty(const ptxmill_stream* stream, const char* dtype,
                                    const int64_t* shape, size_t rank, ptxmill_tensor** tensor) {
  return stored(tensor, "tensor", [&] {
    return rt::Tensor::empty(need(stream, "stream").value, dtype_of(dtype),
                             rt::Shape(span_of(shape, rank, "shape")));
  });
}

ptxmill_status ptxmill_tensor_wrap(const ptxmill_device* device, uint64_t pointer,
                                   const char* dtype, const int64_t* shape, size_t rank,
                                   ptxmill_tensor** tensor) {
  return stored(tensor, "tensor", [&] {
    return rt::Tensor::wrap(need(device, "device").value, pointer, dtype_of(dtype),
                            rt::Shape(span_of(shape, rank, "shape")));
  });
}

uint64_t ptxmill_tensor_pointer(const ptxmill_tensor* tensor) {
  return tensor == nullptr ? 0 : tensor->value.pointer();
}

ptxmill_status ptxmill_tensor_from_host(const ptxmill_stream* stream, const ptxmill_tensor* tensor,
                                        const void* data, size_t bytes) {
  return guarded([&] {
    need(tensor, "tensor")
        .value.copy_from_host(need(stream, "stream").value,
                              span_of(static_cast<const std::byte*>(data), bytes, "data"));
  });
}

ptxmill_status ptxmill_tensor_to_host(const ptxmill_stream* stream, const ptxmill_tensor* tensor,
                                      void* data, size_t bytes) {
  return guarded([&] {
    const auto to = static_cast<std::byte*>(data);
    if (bytes > 0) need(to, "data");
    need(tensor, "tensor").value.to_host(need(stream, "stream").value, {to, bytes});
  });
}

void ptxmill_tensor_close(ptxmill_tensor* tensor) { delete tensor; }

ptxmill_status ptxmill_library_open(const ptxmill_device* device, const char* directory,
                                    ptxmill_library** library) {
  return stored(library, "library", [&] {
    return rt::KernelLibrary::open(need(device, "device").value,
                                   std::string(&need(directory, "directory")));
  });
}

ptxmill_status ptxmill_library_preload(const ptxmill_library* library) {
  return guarded([&] { need(library, "library").value.preload(); });
}

void ptxmill_library_close(ptxmill_library* library) { delete library; }

ptxmill_status ptxmill_kernel_open(const ptxmill_library* library, const char* name,
                                   ptxmill_kernel** kernel) {
  return stored(kernel, "kernel",
                [&] { return need(library, "library").value.kernel(&need(name, "name")); });
}

ptxmill_status ptxmill_kernel_launch(const ptxmill_kernel* kernel, const ptxmill_stream* stream,
                                     const ptxmill_dim* dims, size_t dim_count,
                                     const ptxmill_argument* arguments, size_t argument_count) {
  return guarded([&] {
    std::vector<rt::Argument> packed;
    for (const ptxmill_argument& argument : span_of(arguments, argument_count, "arguments"))
      packed.push_back(argument_of(argument));
    need(kernel, "kernel")
        .value.launch_packed(need(stream, "stream").value, dims_of(dims, dim_count), packed);
  });
}

void ptxmill_kernel_close(ptxmill_kernel* kernel) { delete kernel; }

ptxmill_status ptxmill_block_open(const ptxmill_library* library, const char* name,
                                  ptxmill_block** block) {
  return stored(block, "block", [&] {
    return rt::Block::open(need(library, "library").value, &need(name, "name"));
  });
}

ptxmill_status ptxmill_block_prepare(ptxmill_block* block, const ptxmill_stream* stream,
                                     const ptxmill_named_tensor* weights, size_t weight_count,
                                     const ptxmill_dim* max_dims, size_t dim_count) {
  return guarded([&] {
    rt::Tensors named;
    for (const rt::NamedTensor& weight : tensors_of(weights, weight_count, "weights"))
      if (!named.emplace(weight.name, weight.tensor).second)
        throw rt::Error(rt::ErrorCode::invalid_argument,
                        rt::concat("the weight '", weight.name, "' is given twice"));
    need(block, "block")
        .value.prepare(need(stream, "stream").value, named, dims_of(max_dims, dim_count));
  });
}

ptxmill_status ptxmill_block_forward(ptxmill_block* block, const ptxmill_stream* stream,
                                     const ptxmill_dim* dims, size_t dim_count,
                                     const ptxmill_named_tensor* inputs, size_t input_count,
                                     const ptxmill_named_tensor* outputs, size_t output_count) {
  return guarded([&] {
    need(block, "block")
        .value.forward(need(stream, "stream").value, dims_of(dims, dim_count),
                       tensors_of(inputs, input_count, "inputs"),
                       tensors_of(outputs, output_count, "outputs"));
  });
}

void ptxmill_block_close(ptxmill_block* block) { delete block; }

void ptxmill_counters_read(ptxmill_counters* counters) {
  if (counters == nullptr) return;
  const rt::Counters c = rt::counters();
  *counters = {c.transfers_to_device, c.bytes_to_device, c.transfers_to_host, c.bytes_to_host,
               c.copies_on_device,    c.bytes_on_device, c.allocations,       c.frees,
               c.bytes_allocated,     c.launches,        c.graph_launches,    c.kernel_hits,
               c.kernel_misses};
}

void ptxmill_counters_reset(void) { rt::reset_counters(); }
