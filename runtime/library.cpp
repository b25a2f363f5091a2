#include "runtime/library.hpp"

#include <fstream>
#include <iterator>

#include "runtime/counting.hpp"
#include "runtime/library_state.hpp"
#include "runtime/parallel.hpp"
#include "runtime/text.hpp"

namespace ptxmill::rt {
namespace {

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(ErrorCode::not_found, concat("cannot open ", path));
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) throw Error(ErrorCode::not_found, concat("cannot read ", path));
  return text;
}

}  // namespace

KernelLibrary KernelLibrary::open(const Device& device, const std::string& directory) {
  const std::string file = directory + "/manifest.json";
  const std::string text = read_whole(file);
  return KernelLibrary(std::make_shared<LibraryState>(
      device.context(), directory, file, text,
      [directory](const std::string& path) { return read_whole(directory + "/" + path); }));
}

KernelLibrary KernelLibrary::open(const Device& device, const Embedded& embedded) {
  const std::span<const EmbeddedFile> files = embedded.files;
  return KernelLibrary(std::make_shared<LibraryState>(
      device.context(), "embedded", "embedded manifest", embedded.manifest,
      [files](const std::string& path) {
        for (const EmbeddedFile& file : files)
          if (file.path == path) return std::string(file.bytes);
        throw Error(ErrorCode::not_found, concat("the embedded library has no file ", path));
      }));
}

Kernel KernelLibrary::kernel(std::string_view name) const { return kernel(name, {}); }

Kernel KernelLibrary::kernel(std::string_view name, std::string_view target) const {
  const KernelState* found = state_->find(name);
  if (found != nullptr) return state_->handle(*found, target);
  std::vector<std::string> names;
  for (const KernelInfo& kernel : manifest().kernels) names.push_back(kernel.name);
  throw Error(ErrorCode::not_found,
              concat("the library ", manifest().library, " (", state_->name(), ") has no kernel '",
                     name, "'", did_you_mean(name, names)));
}

bool KernelLibrary::contains(std::string_view name) const { return state_->find(name) != nullptr; }

const Manifest& KernelLibrary::manifest() const { return state_->manifest(); }

const DeviceInfo& KernelLibrary::device() const { return state_->context().info(); }

const std::shared_ptr<Context>& KernelLibrary::context() const { return state_->shared_context(); }

void KernelLibrary::preload() const {
  std::vector<Kernel> kernels;
  for (const KernelState& kernel : state_->kernels())
    if (!kernel.variants.empty()) kernels.push_back(state_->handle(kernel, {}));
  in_parallel(kernels.size(), [&](std::size_t i) { kernels[i].load(); });
}

void KernelLibrary::clear() const {
  state_->context().check_alive();
  const ContextScope scope(state_->context());
  cu::driver().ctx_synchronize();
  state_->context().note_all_settled();
  state_->unload();
}

LibraryCounters KernelLibrary::counters() const {
  return {counting::hits(state_->launches, state_->loading_launches), state_->misses};
}

void KernelLibrary::reset_counters() const {
  state_->launches = 0;
  state_->loading_launches = 0;
  state_->misses = 0;
}

}  // namespace ptxmill::rt
