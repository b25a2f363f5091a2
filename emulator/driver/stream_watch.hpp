// Finds memory that operations of different streams use with nothing that orders them, or that a
// launch uses while the one ahead of it, which it overlaps, may still run.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "emulator/operation_order.hpp"

namespace ptxmill::emu::driver {

/// Remembers, byte by byte, what recent operations touched, and compares what the current one
/// touches with those that it is not ordered after.
class StreamWatch final : public AccessWatch {
 public:
  explicit StreamWatch(const OperationOrder& order) : order_(order) {}

  enum class Start : std::uint8_t {
    after_all,           ///< no launch: it begins when all ahead of it in the stream has ended
    launch,              ///< so does a launch, but others may overlap it
    overlapping_launch,  ///< a launch that overlaps those ahead of it
  };
  /// The operation `id` begins; `who` names it and its stream.
  void begin(OperationId id, std::string who, Start start);
  std::string touch(DeviceAddress address, std::size_t bytes, AccessKind kind, bool early) override;
  bool objects(DeviceAddress address, std::size_t bytes, AccessKind kind) override;
  void clear();
  /// Forgets the operations for which `known(id)` holds: no other will be compared with them.
  template <class Known>
  void forget(Known known) {
    rivals_.clear();
    overlapped_.clear();
    std::erase_if(uses_, [&](const Use& use) {
      if (!known(use.id)) return false;
      page_count_ -= use.pages.size();
      return true;
    });
  }

 private:
  static constexpr std::size_t page_bytes = 4096;
  static constexpr std::size_t kinds = 5;
  using Bits = std::array<std::uint64_t, page_bytes / 64>;
  /// Which bytes of a page were touched in which way.
  using Page = std::array<std::unique_ptr<Bits>, kinds>;
  struct Range {
    DeviceAddress begin, end;
    AccessKind kind;
  };
  /// What one operation touched.
  struct Use {
    OperationId id = 0;
    std::string who;
    Start start = Start::after_all;
    std::unordered_map<std::uint64_t, Page> pages;  ///< by address / page_bytes
    std::vector<Range> ranges;                      ///< large pieces
    bool reported = false;                          ///< against the current operation
  };
  struct Overlap {
    DeviceAddress at = 0;
    AccessKind kind = AccessKind::read;  ///< of the earlier operation
    bool found = false;
  };

  static Overlap overlap(const Use& use, DeviceAddress begin, DeviceAddress end, AccessKind kind);
  static Overlap overlap_in_pages(const Use& use, DeviceAddress begin, DeviceAddress end,
                                  AccessKind kind);
  void record(DeviceAddress begin, DeviceAddress end, AccessKind kind);
  void forget_old();
  std::string conflict_with(const std::vector<Use*>& others, DeviceAddress begin, DeviceAddress end,
                            AccessKind kind, std::string_view what, std::string_view why);

  const OperationOrder& order_;
  std::mutex mutex_;          ///< of touch()
  std::deque<Use> uses_;      ///< the current one last
  std::vector<Use*> rivals_;  ///< of the current one
  /// Launches that may still run while the current one has not waited for them: it overlaps the one
  /// ahead of it, and that perhaps the one before.
  std::vector<Use*> overlapped_;
  std::size_t page_count_ = 0;  ///< of all uses
  // The page that was touched last.
  std::uint64_t last_number_ = 0;
  Page* last_page_ = nullptr;
};

}  // namespace ptxmill::emu::driver
