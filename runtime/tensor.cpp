#include "runtime/tensor.hpp"

#include <algorithm>

#include "runtime/counting.hpp"
#include "runtime/storage.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, what);
}

/// Calls `visit(element offset from the first, row-major index, count)` for each longest run of
/// elements that are contiguous both in the tensor and in row-major order.
template <class Visit>
void for_each_run(const Tensor& tensor, Visit visit) {
  const Shape& shape = tensor.shape();
  if (shape.elements() == 0) return;
  if (tensor.contiguous()) return visit(std::int64_t{0}, std::int64_t{0}, shape.elements());
  int inner = shape.rank();
  std::int64_t run = 1;
  while (inner > 0 && (shape[inner - 1] == 1 || tensor.stride(inner - 1) == run))
    run *= shape[--inner];
  std::array<std::int64_t, Shape::max_rank> index{};
  for (std::int64_t done = 0; done < shape.elements(); done += run) {
    std::int64_t offset = 0;
    for (int i = 0; i < inner; ++i) offset += index[static_cast<std::size_t>(i)] * tensor.stride(i);
    visit(offset, done, run);
    for (int i = inner - 1; i >= 0 && ++index[static_cast<std::size_t>(i)] == shape[i]; --i)
      index[static_cast<std::size_t>(i)] = 0;
  }
}

/// Sets `count` elements of `size` bytes from `to` on to `bits`.
void fill_run(cu::DevicePointer to, std::uint64_t bits, std::size_t size, std::size_t count,
              cu::Stream stream) {
  const cu::Driver& driver = cu::driver();
  if (bits == 0) return driver.memset_d8_async(to, 0, count * size, stream);
  if (size == 4) return driver.memset_d32_async(to, static_cast<unsigned>(bits), count, stream);
  if (size == 1) return driver.memset_d8_async(to, static_cast<unsigned char>(bits), count, stream);
  // Two or eight bytes: set one element byte by byte, then double what is set.
  for (std::size_t i = 0; i < size; ++i)
    driver.memset_d8_async(to + i, static_cast<unsigned char>(bits >> (8 * i)), 1, stream);
  for (std::size_t done = 1; done < count; done *= 2)
    driver.memcpy_dtod_async(to + done * size, to, std::min(done, count - done) * size, stream);
}

}  // namespace

Shape::Shape(std::span<const std::int64_t> extents) {
  if (extents.size() > max_rank)
    refuse(concat("a shape has at most ", max_rank, " extents, not ", extents.size()));
  rank_ = static_cast<int>(extents.size());
  std::copy(extents.begin(), extents.end(), extents_.begin());
  for (const std::int64_t extent : extents)
    if (extent < 0) refuse(concat("the shape ", text(), " has a negative extent"));
  const bool none = std::find(extents.begin(), extents.end(), 0) != extents.end();
  elements_ = none ? 0 : 1;
  for (const std::int64_t extent : extents)
    if (__builtin_mul_overflow(elements_, extent, &elements_))
      refuse(concat("the shape ", text(), " has too many elements"));
}

std::string Shape::text() const {
  std::string result = "[";
  for (int i = 0; i < rank_; ++i) result += concat(i == 0 ? "" : ", ", (*this)[i]);
  return result + "]";
}

void Tensor::set_shape(const Shape& shape) {
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(shape.elements(), static_cast<std::int64_t>(size_of(dtype_)), &bytes))
    refuse(concat("the shape ", shape.text(), " of ", name(dtype_), " has too many bytes"));
  shape_ = shape;
  contiguous_ = true;
  std::int64_t stride = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides_[static_cast<std::size_t>(i)] = stride;
    stride *= std::max<std::int64_t>(shape[i], 1);
  }
}

Tensor Tensor::empty(const Stream& stream, DType dtype, const Shape& shape) {
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.set_shape(shape);
  auto storage = std::make_shared<Storage>(stream.context());
  storage->pointer = stream.state()->allocate(tensor.bytes());
  storage->stream = stream.state();
  tensor.pointer_ = storage->pointer;
  tensor.storage_ = std::move(storage);
  return tensor;
}

Tensor Tensor::wrap(const Device& device, cu::DevicePointer pointer, DType dtype,
                    const Shape& shape, std::span<const std::int64_t> strides,
                    std::shared_ptr<void> keep_alive) {
  if (pointer == 0 && shape.elements() > 0)
    refuse(
        concat("Tensor::wrap: the pointer is null and the shape ", shape.text(), " is not empty"));
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.set_shape(shape);
  if (!strides.empty()) {
    if (strides.size() != static_cast<std::size_t>(shape.rank()))
      refuse(concat("Tensor::wrap: ", strides.size(), " strides for the shape ", shape.text()));
    if (shape[-1] > 1 && strides.back() != 1)
      refuse(concat("Tensor::wrap: the last dimension must be contiguous, its stride is ",
                    strides.back()));
    for (int i = 0; i < shape.rank(); ++i) {
      const std::int64_t given = strides[static_cast<std::size_t>(i)];
      if (given < 0) refuse(concat("Tensor::wrap: stride ", i, " is negative"));
      if (shape[i] > 1 && given != tensor.stride(i)) tensor.contiguous_ = false;
      if (shape[i] > 1) tensor.strides_[static_cast<std::size_t>(i)] = given;
    }
    if (shape.elements() <= 1) tensor.contiguous_ = true;
  }
  tensor.storage_ = std::make_shared<Storage>(device.context());
  tensor.storage_->pointer = pointer;
  tensor.storage_->keep_alive = std::move(keep_alive);
  tensor.pointer_ = pointer;
  return tensor;
}

Tensor Tensor::from_host(const Stream& stream, DType dtype, const Shape& shape,
                         std::span<const std::byte> data) {
  Tensor tensor = empty(stream, dtype, shape);
  tensor.copy_from_host(stream, data);
  return tensor;
}

const std::shared_ptr<Context>& Tensor::context() const {
  require_valid("Tensor::context");
  return storage_->context;
}

TensorCounters Tensor::counters() const {
  require_valid("Tensor::counters");
  return {storage_->transfers_to_device, storage_->transfers_to_host, storage_->launches};
}

std::size_t Tensor::typed_elements(DType dtype) const {
  require_valid("Tensor::to_host");
  if (dtype != dtype_) refuse(concat("the tensor ", text(), " was read as ", name(dtype)));
  return static_cast<std::size_t>(elements());
}

void Tensor::require_valid(const char* function) const {
  if (!valid()) refuse(concat(function, ": there is no tensor"));
}

void Tensor::require_stream(const char* function, const Stream& stream) const {
  require_valid(function);
  if (stream.context() != storage_->context)
    refuse(concat(function, ": the tensor and the stream are on different devices"));
  storage_->context->check_alive();
}

void Tensor::copy_from_host(const Stream& stream, std::span<const std::byte> data) const {
  require_stream("Tensor::copy_from_host", stream);
  if (data.size() != bytes())
    refuse(concat("Tensor::copy_from_host: ", data.size(), " bytes for the tensor ", text(),
                  ", which has ", bytes()));
  if (data.empty()) return;
  stream.state()->refuse_capture("cannot copy from the host", "copy before the recording begins");
  const ContextScope scope(*storage_->context);
  const std::size_t size = size_of(dtype_);
  for_each_run(*this, [&](std::int64_t offset, std::int64_t index, std::int64_t count) {
    cu::driver().memcpy_htod_async(pointer_ + static_cast<std::size_t>(offset) * size,
                                   data.data() + static_cast<std::size_t>(index) * size,
                                   static_cast<std::size_t>(count) * size, stream.handle());
  });
  counting::add(counting::cells().transfers_to_device);
  counting::add(counting::cells().bytes_to_device, data.size());
  counting::add(storage_->transfers_to_device);
  stream.synchronize();
}

void Tensor::copy_from(const Stream& stream, const Tensor& other) const {
  require_stream("Tensor::copy_from", stream);
  other.require_stream("Tensor::copy_from", stream);
  if (dtype_ != other.dtype_ || !(shape_ == other.shape_) || !contiguous_ || !other.contiguous_)
    refuse(concat("Tensor::copy_from: both must be contiguous and alike, not ", text(), " and ",
                  other.text()));
  if (bytes() == 0) return;
  const ContextScope scope(*storage_->context);
  cu::driver().memcpy_dtod_async(pointer_, other.pointer_, bytes(), stream.handle());
  counting::add(counting::cells().copies_on_device);
  counting::add(counting::cells().bytes_on_device, bytes());
}

void Tensor::fill(const Stream& stream, double value) const {
  require_stream("Tensor::fill", stream);
  const std::uint64_t bits = encode(dtype_, value);
  const std::size_t size = size_of(dtype_);
  const ContextScope scope(*storage_->context);
  for_each_run(*this, [&](std::int64_t offset, std::int64_t, std::int64_t count) {
    fill_run(pointer_ + static_cast<std::size_t>(offset) * size, bits, size,
             static_cast<std::size_t>(count), stream.handle());
  });
}

void Tensor::copy_to_host(const Stream& stream, std::span<std::byte> data) const {
  require_stream("Tensor::to_host", stream);
  if (data.size() != bytes())
    refuse(concat("Tensor::to_host: ", data.size(), " bytes for the tensor ", text(),
                  ", which has ", bytes()));
  stream.state()->refuse_capture("cannot copy to the host", "copy after the recording has ended");
  const ContextScope scope(*storage_->context);
  const std::size_t size = size_of(dtype_);
  for_each_run(*this, [&](std::int64_t offset, std::int64_t index, std::int64_t count) {
    cu::driver().memcpy_dtoh_async(data.data() + static_cast<std::size_t>(index) * size,
                                   pointer_ + static_cast<std::size_t>(offset) * size,
                                   static_cast<std::size_t>(count) * size, stream.handle());
  });
  stream.synchronize();
}

void Tensor::to_host(const Stream& stream, std::span<std::byte> data) const {
  copy_to_host(stream, data);
  if (data.empty()) return;
  counting::add(counting::cells().transfers_to_host);
  counting::add(counting::cells().bytes_to_host, data.size());
  counting::add(storage_->transfers_to_host);
}

void Tensor::peek_host(const Stream& stream, std::span<std::byte> data) const {
  copy_to_host(stream, data);
}

Tensor Tensor::slice(int dim, std::int64_t begin, std::int64_t end) const {
  require_valid("Tensor::slice");
  const int rank = shape_.rank();
  const int d = dim < 0 ? dim + rank : dim;
  if (d < 0 || d >= rank || begin < 0 || begin > end || end > shape_[d])
    refuse(concat("Tensor::slice: dimension ", dim, " from ", begin, " to ", end, " of ", text()));
  std::array<std::int64_t, Shape::max_rank> extents{};
  std::copy(shape_.extents().begin(), shape_.extents().end(), extents.begin());
  extents[static_cast<std::size_t>(d)] = end - begin;
  Tensor view = *this;
  const Shape shape(std::span(extents.data(), static_cast<std::size_t>(rank)));
  view.set_shape(shape);
  view.contiguous_ = true;
  for (int i = 0; i < rank; ++i)
    if (shape[i] > 1 && view.stride(i) != stride(i)) view.contiguous_ = false;
  if (shape.elements() == 0) view.contiguous_ = true;
  view.strides_ = strides_;
  view.pointer_ = shape.elements() == 0
                      ? 0
                      : pointer_ + static_cast<std::size_t>(begin * stride(d)) * size_of(dtype_);
  return view;
}

Tensor Tensor::reshape(const Shape& shape) const {
  require_valid("Tensor::reshape");
  if (!contiguous_) refuse(concat("Tensor::reshape: the tensor ", text(), " is not contiguous"));
  if (shape.elements() != elements())
    refuse(concat("Tensor::reshape: ", text(), " has ", elements(), " elements, ", shape.text(),
                  " has ", shape.elements()));
  Tensor view = *this;
  view.set_shape(shape);
  return view;
}

Tensor Tensor::as(DType dtype, const Shape& shape) const {
  require_valid("Tensor::as");
  Tensor view = *this;
  view.dtype_ = dtype;
  view.set_shape(shape);
  if (!contiguous_ || view.bytes() != bytes())
    refuse(concat("Tensor::as: ", text(), " cannot be seen as ", view.text()));
  return view;
}

std::string Tensor::text() const {
  if (!valid()) return "(none)";
  return concat(name(dtype_), shape_.text(), contiguous_ ? "" : " (strided)");
}

}  // namespace ptxmill::rt
