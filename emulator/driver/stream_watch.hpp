// Finds memory that operations of different streams use with nothing that orders them.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "emulator/operation_order.hpp"

namespace ptxmill::emu::driver {

/// Remembers, byte by byte, what recent operations touched, and compares what the current one
/// touches with those that it is not ordered after.
class StreamWatch final : public AccessWatch {
 public:
  explicit StreamWatch(const OperationOrder& order) : order_(order) {}

  /// The operation `id` begins; `who` names it and its stream.
  void begin(OperationId id, std::string who);
  std::string touch(DeviceAddress address, std::size_t bytes, AccessKind kind) override;
  bool objects(DeviceAddress address, std::size_t bytes, AccessKind kind) override;
  void clear();
  /// Forgets the operations for which `known(id)` holds: no other will be compared with them.
  template <class Known>
  void forget(Known known) {
    rivals_.clear();
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

  const OperationOrder& order_;
  std::mutex mutex_;            ///< of touch()
  std::deque<Use> uses_;        ///< the current one last
  std::vector<Use*> rivals_;    ///< of the current one
  std::size_t page_count_ = 0;  ///< of all uses
  // The page that was touched last.
  std::uint64_t last_number_ = 0;
  Page* last_page_ = nullptr;
};

}  // namespace ptxmill::emu::driver
