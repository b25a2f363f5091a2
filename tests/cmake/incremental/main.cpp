// Loads every embedded kernel, which compares its bytes with the manifest's digests.
#include <cstdio>
#include <exception>

#include "embedded_kernels.hpp"
#include "runtime/library.hpp"
#include "runtime/manifest.hpp"

int main() {
  namespace rt = ptxmill::rt;
  try {
    const rt::Device device = rt::Device::open();
    for (const rt::Embedded* embedded :
         {&embedded_kernels::first_library, &embedded_kernels::default_}) {
      const rt::KernelLibrary library = rt::KernelLibrary::open(device, *embedded);
      library.preload();
      for (const rt::EmbeddedFile& file : embedded->files)
        std::printf("%s: %.*s\n", library.manifest().library.c_str(),
                    static_cast<int>(file.path.size()), file.path.data());
    }
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
