// Registries that turn the opaque handles of the API into objects.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace ptxmill::emu::driver {

/// Objects of one kind by handle. A handle is a number that looks like a pointer into unmapped
/// memory and is never handed out twice, so a stale or made-up handle is found out instead of
/// followed. `kind` tells the registries' handles apart.
template <class T, class Handle, std::uintptr_t kind>
class Registry {
 public:
  /// Adds the object and stores its handle in it.
  Handle add(const std::shared_ptr<T>& object) {
    const std::uintptr_t number = (kind << 40) + ++count_ * 16;
    object->handle = reinterpret_cast<Handle>(number);
    objects_.emplace(number, object);
    return object->handle;
  }

  /// Null where the handle is not one of this registry's, or no longer.
  std::shared_ptr<T> find(Handle handle) const {
    const auto it = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
    return it == objects_.end() ? nullptr : it->second;
  }

  bool erase(Handle handle) {
    return objects_.erase(reinterpret_cast<std::uintptr_t>(handle)) != 0;
  }

  template <class Predicate>
  void erase_if(Predicate&& gone) {
    std::erase_if(objects_, [&](const auto& entry) { return gone(*entry.second); });
  }

  /// All objects, oldest first.
  std::vector<std::shared_ptr<T>> all() const {
    std::vector<std::shared_ptr<T>> result;
    for (const auto& [number, object] : objects_) result.push_back(object);
    return result;
  }

  void clear() { objects_.clear(); }

 private:
  std::map<std::uintptr_t, std::shared_ptr<T>> objects_;
  std::uintptr_t count_ = 0;  // survives clear(): handles stay unique for the process
};

}  // namespace ptxmill::emu::driver
