// Runs a verb in this process, with its streams caught.
#pragma once

#include <iostream>
#include <sstream>
#include <streambuf>
#include <string>

namespace ptxmill::test {

/// What a verb returned and said.
struct Said {
  int code = 0;
  std::string out, err;
};

/// Puts a stream's text elsewhere as long as it lives.
class Redirected {
 public:
  Redirected(std::ostream& stream, std::ostream& to)
      : stream_(stream), was_(stream.rdbuf(to.rdbuf())) {}
  ~Redirected() { stream_.rdbuf(was_); }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

 private:
  std::ostream& stream_;
  std::streambuf* was_;
};

template <class Verb>
Said run(Verb verb) {
  std::ostringstream out, err;
  Said said;
  {
    const Redirected cout_is(std::cout, out), cerr_is(std::cerr, err);
    said.code = verb();
  }
  said.out = out.str();
  said.err = err.str();
  return said;
}

}  // namespace ptxmill::test
