#include "emulator/driver/driver.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "emulator/driver/entry_points.hpp"

namespace ptxmill::emu::driver {

Driver& Driver::instance() {
  static auto* driver = new Driver;
  return *driver;
}

bool& in_host_function() {
  thread_local bool inside = false;
  return inside;
}

namespace {

Settings read_environment(std::vector<std::string>* errors) {
  return read_settings([](const char* name) { return std::getenv(name); }, errors);
}

}  // namespace

Machine Driver::machine() const {
  if (initialised) return settings.machine;
  std::vector<std::string> errors;  // cuInit will report them
  return read_environment(&errors).machine;
}

api::CUresult Driver::initialise() {
  std::vector<std::string> errors;
  settings = read_environment(&errors);
  if (!settings.count_file.empty() && settings.count_file != "stderr") {
    std::FILE* file = std::fopen(settings.count_file.c_str(), "w");
    if (file == nullptr) {
      errors.push_back("PTXMILL_EMU_COUNT='" + settings.count_file +
                       "': expected stderr, or a file that can be written");
    } else {
      std::fclose(file);
    }
  }
  for (const std::string& e : errors) std::fprintf(stderr, "ptxmill emulator: %s\n", e.c_str());
  if (!errors.empty()) return api::CUDA_ERROR_INVALID_VALUE;
  limits = limits_of(settings.machine.compute_capability);
  ledger = std::make_unique<Ledger>(settings.machine.memory_bytes);
  pool = {};
  initialised = true;
  return api::CUDA_SUCCESS;
}

void Driver::reset(Lock& lock) {
  changed.wait(lock, [&] {
    return std::none_of(busy_.begin(), busy_.end(), [](const auto& s) { return s->running; });
  });
  for (const auto& context : contexts.all()) deactivate(lock, context);
  busy_.clear();
  contexts.clear();
  graphs.clear();
  execs.clear();
  captures.clear();
  primary = nullptr;
  primary_references = 0;
  launch_count = 0;
  stream_count = 0;
  stream_watch_.clear();
  watched_ = 0;
  ordering = {};
  ledger = nullptr;
  settings = {};
  tally_ = {};
  lost = api::CUDA_SUCCESS;
  initialised = false;
  ++epoch;
}

api::CUresult Driver::injected_failure(Call call) {
  api::CUresult result = api::CUDA_SUCCESS;
  for (FailRule& rule : settings.fail) {
    if (std::find(rule.calls.begin(), rule.calls.end(), call) == rule.calls.end()) continue;
    if (++rule.seen == rule.nth && result == api::CUDA_SUCCESS) result = rule.code;
  }
  return result;
}

void Driver::submit(Lock& lock, const std::shared_ptr<Stream>& stream,
                    const std::vector<std::shared_ptr<const Operation>>& operations,
                    const std::shared_ptr<GraphRun>& graph) {
  if (lost != api::CUDA_SUCCESS || operations.empty()) return;
  if (stream->queue.empty()) busy_.push_back(stream);
  for (const auto& operation : operations)
    stream->queue.push_back({operation, ++submissions_, ordering.host(), graph});
  drain(lock);
}

/// The NULL stream and the blocking streams of its context wait for each other's earlier work.
bool Driver::may_run(const Stream& stream) const {
  if (stream.running) return false;
  const QueuedOperation& head = stream.queue.front();
  for (const auto& other : busy_) {
    const bool ordered = other->context == stream.context && other->legacy != stream.legacy &&
                         other->blocking() && stream.blocking();
    if (ordered && other->queue.front().order < head.order) return false;
  }
  return head.operation->ready();
}

std::shared_ptr<Stream> Driver::runnable() const {
  const auto it =
      std::find_if(busy_.begin(), busy_.end(), [&](const auto& s) { return may_run(*s); });
  return it == busy_.end() ? nullptr : *it;
}

/// Runs operations until none can run. Another thread may be in a host function meanwhile; what
/// waits for that is run by that thread when it comes back here.
void Driver::drain(Lock& lock) {
  while (const std::shared_ptr<Stream> stream = runnable()) {
    const auto operation = stream->queue.front().operation;
    const std::shared_ptr<GraphRun> graph = stream->queue.front().graph;
    Chain& chain = begin_operation(*stream, stream->queue.front());
    stream->running = true;
    api::CUresult code = api::CUDA_SUCCESS;
    try {
      code = operation->run(*this, lock);
    } catch (const std::exception& e) {
      report(std::string("an operation could not be carried out: ") + e.what());
      code = api::CUDA_ERROR_LAUNCH_FAILED;
    }
    end_operation(*stream, chain, *operation, graph.get());
    stream->running = false;
    stream->queue.pop_front();
    if (stream->queue.empty()) std::erase(busy_, stream);
    if (code != api::CUDA_SUCCESS) lose(code);
    changed.notify_all();
  }
}

void Driver::lose(api::CUresult code) {
  if (lost == api::CUDA_SUCCESS) lost = code;
  for (const auto& stream : busy_) {
    const std::size_t kept = stream->running ? 1 : 0;
    stream->queue.resize(std::min(kept, stream->queue.size()));
  }
  std::erase_if(busy_, [](const auto& s) { return s->queue.empty(); });
  changed.notify_all();
}

api::CUresult Driver::wait(Lock& lock, const std::function<bool()>& done) {
  const std::uint64_t started = epoch;
  changed.wait(lock, [&] { return lost != api::CUDA_SUCCESS || epoch != started || done(); });
  if (epoch != started) return api::CUDA_ERROR_DEINITIALIZED;
  return lost;
}

api::CUresult Driver::wait_for_streams(Lock& lock,
                                       const std::function<bool(const Stream&)>& concerns) {
  return wait(lock, [&] {
    return std::none_of(busy_.begin(), busy_.end(), [&](const auto& s) { return concerns(*s); });
  });
}

std::shared_ptr<Stream> Driver::make_stream(const std::shared_ptr<Context>& context, unsigned flags,
                                            int priority) {
  auto stream = std::make_shared<Stream>();
  stream->context = context;
  stream->flags = flags;
  stream->priority = priority;
  return stream;
}

void Driver::activate(const std::shared_ptr<Context>& context) {
  context->alive = true;
  context->legacy = make_stream(context, api::CU_STREAM_DEFAULT, 0);
  context->legacy->legacy = true;
}

void Driver::deactivate(Lock& lock, const std::shared_ptr<Context>& context) {
  if (!context->alive) return;
  wait_for_streams(lock, [&](const Stream& s) { return s.context == context; });
  host_waited_for(context.get());
  const auto gone = [&](const auto& object) { return object.context == context; };
  std::erase_if(captures, [&](const auto& c) { return c->origin->context == context; });
  streams.erase_if(gone);
  events.erase_if(gone);
  functions.erase_if(gone);
  modules.erase_if([&](Module& m) {
    const bool mine = m.context == context;
    if (mine) m.functions.clear();
    return mine;
  });
  context->legacy = nullptr;
  context->per_thread.clear();
  context->alive = false;
  if (ledger) ledger->release_owned_by(context->handle);
}

void Driver::report(const std::string& text) {
  std::FILE* file = nullptr;
  if (!settings.report_file.empty()) file = std::fopen(settings.report_file.c_str(), "a");
  std::FILE* out = file == nullptr ? stderr : file;
  std::fprintf(out, "%s%s", text.c_str(), text.ends_with('\n') ? "" : "\n");
  if (file != nullptr) std::fclose(file);
}

void Driver::count(const std::shared_ptr<const Program>& program, const EntryInfo& entry,
                   const LaunchCounts& counts) {
  if (settings.count_file == "stderr") {
    std::fputs((counts_table(*program, entry, counts, 1) + "\n").c_str(), stderr);
    return;
  }
  tally_.add(program, entry, counts);
  std::FILE* file = std::fopen(settings.count_file.c_str(), "w");
  if (file == nullptr) return;
  const bool json = settings.count_file.ends_with(".json");
  std::fputs((json ? tally_.json() : tally_.table()).c_str(), file);
  std::fclose(file);
}

}  // namespace ptxmill::emu::driver

namespace ptxmill::emu::api {

void ptxmill_emu_reset(void) {
  driver::Driver& driver = driver::Driver::instance();
  driver::Lock lock(driver.mutex);
  driver.reset(lock);
  driver.changed.notify_all();
}

}  // namespace ptxmill::emu::api
