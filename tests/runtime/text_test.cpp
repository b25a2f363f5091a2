#include "runtime/text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "runtime/sha256.hpp"

namespace {

using ptxmill::rt::did_you_mean;
using ptxmill::rt::nearest;

const std::vector<std::string> names{"encoder__attention", "encoder__ln1", "encoder__ln2",
                                     "log_probs", "softmax"};

}  // namespace

TEST_CASE("text: the nearest names come first") {
  CHECK(nearest("encoder__ln3", names).front() == "encoder__ln1");
  CHECK(nearest("softmx", names) == std::vector<std::string>{"softmax"});
  CHECK(nearest("attention", names) == std::vector<std::string>{"encoder__attention"});
  CHECK(nearest("encoder", names).size() == 3);
  CHECK(nearest("zzz", names).empty());
  CHECK(nearest("", names).empty());
  CHECK(nearest("x", {}).empty());
}

TEST_CASE("text: did you mean") {
  CHECK(did_you_mean("softmx", names) == "; did you mean 'softmax'?");
  CHECK(did_you_mean("encoder__ln", names) == "; did you mean 'encoder__ln1' or 'encoder__ln2'?");
  CHECK(did_you_mean("encoder", names) ==
        "; did you mean 'encoder__ln1', 'encoder__ln2' or 'encoder__attention'?");
  CHECK(did_you_mean("qqq", names).empty());
}

TEST_CASE("text: versions as people write them") {
  CHECK(ptxmill::rt::dotted_capability(90) == "9.0");
  CHECK(ptxmill::rt::dotted_capability(120) == "12.0");
  CHECK(ptxmill::rt::dotted_driver(12040) == "12.4");
  CHECK(ptxmill::rt::dotted_driver(11000) == "11.0");
}

TEST_CASE("sha256: the examples of FIPS 180-4") {
  CHECK(ptxmill::rt::sha256({}) ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(ptxmill::rt::sha256({"abc"}) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(ptxmill::rt::sha256({"abcdbcdecdefdefgefghfghighijhij", "kijkljklmklmnlmnomnopnopq"}) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}
