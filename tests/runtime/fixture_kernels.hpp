// Hand-written kernels for tests of the runtime: none of them comes from the generator.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/manifest_fixture.hpp"

namespace ptxmill::test {

/// A library with these kernels, for `target`:
///   add        out[i] = x[i] + y[i]; dims n; launch (n) x 128
///   scale      out[i] = factor * x[i]; scalar factor f32
///   scale_u    as scale with a u32 factor, on u32 elements
///   reverse    out[i] = x[n - 1 - i], through 4 n bytes of dynamic shared memory; one block, n <=
///   16384 through    out[i] = x[i], through a workspace of 4 n bytes accumulate out[0] = n, by
///   adding to a zeroed workspace word, which it leaves zero pick       out[i] = x[position], the
///   position being a device scalar fault      stores to address 16 together   a cooperative launch
///   of n blocks of 1024 threads: out[block] = block fixed      add with n fixed to 64
ManifestFixture fixture_library(const std::string& target = "sm_80");

/// A kernel that the driver's compiler refuses.
void add_broken_kernel(ManifestFixture& fixture, const std::string& target = "sm_80");

/// A plan over the kernels above, called "chain", of family "chain": out = 3 * (x + b) + c with
/// weights b [64] and c [64], c optional. Dims n from 1 to 64; two of its buffers share a slot.
void add_chain_plan(ManifestFixture& fixture, const std::string& target = "sm_80");

}  // namespace ptxmill::test
