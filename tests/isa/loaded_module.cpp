#include "tests/isa/loaded_module.hpp"

#include <stdexcept>

#include "runtime/context.hpp"
#include "runtime/driver/driver.hpp"
#include "runtime/tensor.hpp"

namespace ptxmill::test {

namespace cu = rt::cu;

LoadedModule::LoadedModule(const rt::Device& device, const std::string& ptx) : device_(device) {
  const rt::ContextScope scope(*device.context());
  std::string log(8192, '\0');
  cu::JitOption options[] = {cu::JitOption::error_log_buffer,
                             cu::JitOption::error_log_buffer_size_bytes};
  void* values[] = {log.data(), reinterpret_cast<void*>(log.size())};
  const cu::Result result =
      cu::ready_driver().module_load_data_ex.raw(&module_, ptx.c_str(), 2, options, values);
  if (result != cu::Result::success)
    throw std::runtime_error("the driver refuses the module with " +
                             std::to_string(static_cast<int>(result)) + ":\n" + log.c_str());
}

LoadedModule::~LoadedModule() {
  const rt::ContextScope scope(*device_.context());
  (void)cu::ready_driver().module_unload.raw(module_);
}

void LoadedModule::launch(const rt::Stream& stream, const std::string& entry,
                          std::span<const std::byte> in, std::span<std::byte> out,
                          std::size_t count) const {
  const rt::ContextScope scope(*device_.context());
  const cu::Driver& driver = cu::ready_driver();
  cu::Function function = nullptr;
  driver.module_get_function(&function, module_, entry.c_str());
  const auto upload = [&](std::span<const std::byte> bytes) {
    return rt::Tensor::from_host(stream, rt::DType::u8,
                                 rt::Shape{static_cast<std::int64_t>(bytes.size())}, bytes);
  };
  const rt::Tensor from = upload(in);
  const rt::Tensor to = upload(std::vector<std::byte>(out.size(), std::byte{0xff}));
  cu::DevicePointer from_pointer = from.pointer(), to_pointer = to.pointer();
  auto cases = static_cast<std::uint32_t>(count);
  alignas(16) char cell[16] = {};
  void* parameters[] = {&from_pointer, &to_pointer, &cases, cell};
  constexpr unsigned block = 128;
  driver.launch_kernel(function, (cases + block - 1) / block, 1, 1, block, 1, 1, 0, stream.handle(),
                       parameters, nullptr);
  to.to_host(stream, out);
}

std::vector<std::uint64_t> LoadedModule::run(const rt::Stream& stream, const std::string& entry,
                                             const std::vector<std::uint64_t>& sources,
                                             std::size_t count, std::size_t results) const {
  // An entry without sources still takes a pointer.
  const std::vector<std::uint64_t> in = sources.empty() ? std::vector<std::uint64_t>(1) : sources;
  std::vector<std::uint64_t> out(count * results);
  launch(stream, entry, std::as_bytes(std::span(in)), std::as_writable_bytes(std::span(out)),
         count);
  return out;
}

}  // namespace ptxmill::test
