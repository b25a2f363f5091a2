#include "tests/support/shapes.hpp"

#include <algorithm>
#include <cmath>

namespace ptxmill::test {

std::vector<std::int64_t> edge_sizes(const std::vector<std::int64_t>& tiles) {
  std::vector<std::int64_t> sizes = {1, 2, 3, 7, 31, 97, 257};
  for (const std::int64_t tile : tiles) {
    for (const std::int64_t size : {tile - 1, tile, tile + 1}) {
      if (size > 0) sizes.push_back(size);
    }
  }
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

std::int64_t random_size(Random& random, std::int64_t max) {
  const double size = std::exp(random.uniform() * std::log(static_cast<double>(max) + 1.0));
  return std::clamp(static_cast<std::int64_t>(size), std::int64_t{1}, max);
}

const std::vector<std::pair<std::int64_t, std::int64_t>>& attention_lengths() {
  static const std::vector<std::pair<std::int64_t, std::int64_t>> lengths = {
      {0, 5},     {5, 0},     {1, 1},     {1, 239},   {3, 799},     {64, 128},    {113, 203},
      {108, 256}, {128, 217}, {256, 512}, {512, 256}, {1023, 1024}, {1024, 1023}, {2048, 2048}};
  return lengths;
}

const std::vector<ModelShape>& model_shapes() {
  static const std::vector<ModelShape> shapes = {
      {"whisper-tiny", 384, 6, 6, 64, 1536, 51865},
      {"whisper-base", 512, 8, 8, 64, 2048, 51865},
      {"whisper-small", 768, 12, 12, 64, 3072, 51865},
      {"whisper-medium", 1024, 16, 16, 64, 4096, 51865},
      {"whisper-large-v3", 1280, 20, 20, 64, 5120, 51866},
      {"llama-3.2-1b", 2048, 32, 8, 64, 8192, 128256},
      {"qwen2.5-3b", 2048, 16, 2, 128, 11008, 151936},
      {"qwen2.5-7b", 3584, 28, 4, 128, 18944, 152064},
      {"minilm-l6", 384, 12, 12, 32, 1536, 30522},
  };
  return shapes;
}

}  // namespace ptxmill::test
