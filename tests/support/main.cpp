// The main function of every test executable: doctest's, with a head line that says what answers as
// the CUDA driver and which seed the cases are drawn from, and with an error where nothing ran.

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>
#include <iostream>

#include "tests/support/case_budget.hpp"
#include "tests/support/random.hpp"

namespace {

unsigned cases_run = 0;

void print_head(std::ostream& out) {
  const char* driver = std::getenv("PTXMILL_DRIVER");
  out << "[ptxmill] driver " << (driver != nullptr ? driver : "of this machine") << ", seed "
      << ptxmill::test::run_seed() << "\n";
}

/// Counts what ran, and repeats the head beside the failures.
struct RunListener : doctest::IReporter {
  explicit RunListener(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override { print_head(std::cout); }
  void test_run_end(const doctest::TestRunStats& stats) override {
    cases_run = stats.numTestCasesPassingFilters;
    if (stats.numTestCasesFailed != 0) {
      std::cout << "[ptxmill] reproduce with PTXMILL_TEST_SEED=" << ptxmill::test::run_seed()
                << "\n";
    }
  }
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};

}  // namespace

REGISTER_LISTENER("ptxmill", 1, RunListener);

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int status = context.run();
  if (context.shouldExit()) return status;
  ptxmill::test::report_left_to_hardware(std::cout);
  if (cases_run == 0) {
    std::cerr << "[ptxmill] no test case ran: the filter matches none\n";
    return EXIT_FAILURE;
  }
  return status;
}
