#include "tests/isa/loaded_module.hpp"

#include <span>
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

std::vector<std::uint64_t> LoadedModule::run(const rt::Stream& stream, const std::string& entry,
                                             const std::vector<std::uint64_t>& sources,
                                             std::size_t count, std::size_t results) const {
  const rt::ContextScope scope(*device_.context());
  const cu::Driver& driver = cu::ready_driver();
  cu::Function function = nullptr;
  driver.module_get_function(&function, module_, entry.c_str());
  const auto words = [](std::size_t n) { return rt::Shape{static_cast<std::int64_t>(n)}; };
  // An entry without sources still takes a pointer.
  const std::vector<std::uint64_t> in = sources.empty() ? std::vector<std::uint64_t>(1) : sources;
  const rt::Tensor from = rt::Tensor::from_host(stream, in, words(in.size()));
  const std::vector<std::uint64_t> poison(count * results, ~std::uint64_t{0});
  const rt::Tensor to = rt::Tensor::from_host(stream, poison, words(poison.size()));
  cu::DevicePointer from_pointer = from.pointer(), to_pointer = to.pointer();
  auto cases = static_cast<std::uint32_t>(count);
  alignas(16) char cell[16] = {};
  void* parameters[] = {&from_pointer, &to_pointer, &cases, cell};
  constexpr unsigned block = 128;
  driver.launch_kernel(function, (cases + block - 1) / block, 1, 1, block, 1, 1, 0, stream.handle(),
                       parameters, nullptr);
  return to.to_host<std::uint64_t>(stream);
}

}  // namespace ptxmill::test
