// Kernels of generated/, run by the interpreter without a driver. Tests and benchmarks share it;
// both run in the root of the source tree.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "emulator/execute.hpp"
#include "emulator/memory.hpp"
#include "emulator/program.hpp"

namespace ptxmill::emu {

/// The first entry of a module, with memory of its own for its arguments.
class LoadedKernel {
 public:
  /// Throws std::runtime_error with the parser's words.
  explicit LoadedKernel(const std::string& ptx) {
    std::string log;
    bool unsupported = false;
    program_ = Program::parse(ptx, machine_, &log, &unsupported);
    if (!program_) throw std::runtime_error(log);
    entry_ = program_->entries().at(0);
  }

  /// `file` as "core/sm_80/add__vec4".
  static LoadedKernel shipped(const std::string& file) {
    const std::string path = "generated/" + file + ".ptx";
    std::ifstream in(path, std::ios::binary);
    if (!in)
      throw std::runtime_error(path + ": cannot be read; run in the root of the source tree");
    return LoadedKernel(std::string(std::istreambuf_iterator<char>(in), {}));
  }

  /// Device memory that holds `count` numbers between -1 and 1.
  DeviceAddress floats(std::size_t count) {
    const DeviceAddress at = memory_->allocate(count * sizeof(float));
    const auto a = memory_->find(at, 1);
    std::uint32_t state = 12345;
    for (std::size_t k = 0; k < count; ++k) {
      state = state * 1664525u + 1013904223u;
      const float value = static_cast<float>(state >> 8) * 0x1p-23f - 1.f;
      std::memcpy(a->bytes.data() + k * sizeof value, &value, sizeof value);
    }
    std::memset(a->written.data(), 1, a->written.size());
    return at;
  }
  /// Device memory that nothing has written.
  DeviceAddress reserve(std::size_t bytes) { return memory_->allocate(bytes); }

  /// Sets the arguments of the launches to come; each must have the size of its parameter.
  template <class... Args>
  void set_arguments(const Args&... args) {
    params_.assign(entry_->param_bytes, std::byte{0});
    if (entry_->params.size() != sizeof...(args)) throw std::runtime_error("wrong argument count");
    [[maybe_unused]] std::size_t k = 0;
    [[maybe_unused]] const auto put = [&](const auto& arg) {
      const ParamInfo& param = entry_->params[k++];
      if (param.size != sizeof arg) throw std::runtime_error(param.name + ": wrong size");
      std::memcpy(params_.data() + param.offset, &arg, sizeof arg);
    };
    (put(args), ...);
  }

  ExecuteResult run(const std::array<std::uint32_t, 3>& grid, std::uint32_t block,
                    std::uint32_t dynamic_shared, const ExecuteOptions& options) const {
    Launch launch;
    launch.grid = grid;
    launch.block = {block, 1, 1};
    launch.dynamic_shared_bytes = dynamic_shared;
    launch.params = params_;
    return execute(*program_, *entry_, launch, *memory_, machine_, options);
  }

  const Program& program() const { return *program_; }
  GlobalMemory& memory() { return *memory_; }

 private:
  Machine machine_;
  std::shared_ptr<const Program> program_;
  const EntryInfo* entry_ = nullptr;
  std::unique_ptr<GlobalMemory> memory_ = std::make_unique<GlobalMemory>(std::size_t{1} << 30);
  std::vector<std::byte> params_;
};

}  // namespace ptxmill::emu
