#include "generator/cli/commit.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include <fmt/format.h>

namespace ptxmill::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* manifest_name = "manifest.json";
constexpr std::string_view temporary_suffix = ".ptxmill-new";

[[noreturn]] void fail(const fs::path& path, int error) {
  throw std::runtime_error(fmt::format("{}: {}", path.string(), std::strerror(error)));
}

/// `shown` is the path for messages.
void write_file(const fs::path& path, const std::string& bytes, const fs::path& shown) {
  errno = 0;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) fail(shown, errno != 0 ? errno : EIO);
}

fs::path staging(const fs::path& output, const std::string& library) {
  return output / ("." + library + ".new");
}

/// A library's new directory, until it stands in the old one's place.
class Staged {
 public:
  Staged(const fs::path& output, const std::string& library, const Change& change)
      : place_(output / library), staged_(staging(output, library)), change_(change) {}
  Staged(const Staged&) = delete;
  Staged& operator=(const Staged&) = delete;
  ~Staged() {
    std::error_code ignored;
    fs::remove_all(staged_, ignored);
  }

  /// False where this file system or this directory does not allow it; nothing has changed then.
  bool replace() {
    std::error_code error;
    const fs::file_status old = fs::symlink_status(place_, error);
    if (fs::exists(old) && !fs::is_directory(old)) return false;
    const bool made = fs::exists(old) ? fs::create_directory(staged_, place_, error)
                                      : fs::create_directory(staged_, error);
    if (!made) return false;
    if (fs::exists(old) && !link_what_stays()) return false;
    for (const auto& [name, bytes] : change_.put) {
      if (through_symlink(name)) return false;
      fs::create_directories((staged_ / name).parent_path(), error);
      if (error) fail((place_ / name).parent_path(), error.value());
      write_file(staged_ / name, *bytes, place_ / name);
    }
    if (!fs::exists(old)) return std::rename(staged_.c_str(), place_.c_str()) == 0;
    // Older C libraries declare neither the function nor the flag.
    constexpr unsigned exchange = 2;
    return syscall(SYS_renameat2, AT_FDCWD, staged_.c_str(), AT_FDCWD, place_.c_str(), exchange) ==
           0;
  }

 private:
  bool link_what_stays() const {
    std::error_code error;
    for (fs::recursive_directory_iterator it(place_, error), end; !error && it != end;
         it.increment(error)) {
      const fs::path name = it->path().lexically_relative(place_);
      const fs::file_status kind = it->symlink_status(error);
      if (error) return false;
      if (fs::is_directory(kind)) {
        fs::create_directory(staged_ / name, it->path(), error);
      } else if (change_.put.count(name.string()) != 0 ||
                 change_.remove.count(name.string()) != 0 ||
                 name.filename().string().ends_with(temporary_suffix)) {
        continue;
      } else if (fs::is_symlink(kind)) {
        fs::copy_symlink(it->path(), staged_ / name, error);
      } else if (fs::is_regular_file(kind)) {
        fs::create_hard_link(it->path(), staged_ / name, error);
      } else {
        return false;
      }
      if (error) return false;
    }
    return !error;
  }

  /// Whether a directory on the way to the file is a link: its files are somewhere else.
  bool through_symlink(const fs::path& name) const {
    std::error_code error;
    fs::path at = staged_;
    for (const fs::path& part : name.parent_path())
      if (at /= part; fs::is_symlink(fs::symlink_status(at, error))) return true;
    return false;
  }

  fs::path place_, staged_;
  const Change& change_;
};

fs::path temporary(const fs::path& path) {
  return path.parent_path() / ("." + path.filename().string() + std::string(temporary_suffix));
}

/// Renames file by file. The manifest comes last: until then the old one is there to name what a
/// later run has to remove.
void rename_into_place(const fs::path& place, const Change& change) {
  bool begun = false;
  const auto check = [&](const fs::path& path, const std::error_code& error) {
    if (!error) return;
    const std::string what = fmt::format("{}: {}", path.string(), error.message());
    if (begun) throw HalfWritten(what);
    throw std::runtime_error(what);
  };
  std::error_code error;
  const auto move = [&](const std::string& name) {
    fs::rename(temporary(place / name), place / name, error);
    check(place / name, error);
    begun = true;
  };
  for (const auto& file : change.put)
    if (file.first != manifest_name) move(file.first);
  for (const std::string& name : change.remove) {
    fs::remove(place / name, error);
    check(place / name, error);
    begun = true;
  }
  if (change.put.count(manifest_name) != 0) move(manifest_name);
}

void replace_in_place(const fs::path& place, const Change& change) {
  const auto discard = [&](bool manifest_too) {
    std::error_code ignored;
    for (const auto& file : change.put)
      if (manifest_too || file.first != manifest_name)
        fs::remove(temporary(place / file.first), ignored);
  };
  try {
    for (const auto& [name, bytes] : change.put) {
      std::error_code error;
      fs::create_directories((place / name).parent_path(), error);
      if (error) fail((place / name).parent_path(), error.value());
      write_file(temporary(place / name), *bytes, place / name);
    }
    rename_into_place(place, change);
  } catch (const HalfWritten&) {
    discard(false);
    throw;
  } catch (...) {
    discard(true);
    throw;
  }
}

/// What no way of writing gets past, with a message about the place itself.
void refuse_obstacles(const fs::path& place, const Change& change) {
  for (const auto& file : change.put) {
    const fs::path path = place / file.first;
    if (fs::is_directory(path))
      throw std::runtime_error(path.string() + ": a directory stands where a file goes");
    const fs::path parent = path.parent_path();
    if (fs::exists(parent) && !fs::is_directory(parent))
      throw std::runtime_error(parent.string() + ": a file stands where a directory goes");
  }
}

}  // namespace

void replace_file(const fs::path& path, const std::string& bytes) {
  // What is no file (a terminal, a pipe) has nothing to keep.
  std::error_code ignored;
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored))
    return write_file(path, bytes, path);
  const fs::path beside = temporary(path);
  try {
    write_file(beside, bytes, path);
    fs::rename(beside, path);
  } catch (...) {
    fs::remove(beside, ignored);
    throw;
  }
}

fs::path pending_manifest(const fs::path& output, const std::string& library) {
  return temporary(output / library / manifest_name);
}

void clean_up(const fs::path& output, const std::string& library) {
  std::error_code error;
  fs::remove_all(staging(output, library), error);
  std::vector<fs::path> left;
  for (fs::recursive_directory_iterator it(output / library, error), end; !error && it != end;
       it.increment(error))
    if (it->path().filename().string().ends_with(temporary_suffix)) left.push_back(it->path());
  for (const fs::path& path : left) fs::remove(path, error);
}

void commit(const fs::path& output, const std::string& library, const Change& change) {
  refuse_obstacles(output / library, change);
  {
    Staged staged(output, library, change);
    if (staged.replace()) return;
  }
  replace_in_place(output / library, change);
}

OutputLock::OutputLock(const fs::path& output)
    : directory_(open(output.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (directory_ >= 0)
    while (flock(directory_, LOCK_EX) != 0 && errno == EINTR) {
    }
}

OutputLock::~OutputLock() {
  if (directory_ >= 0) close(directory_);
}

}  // namespace ptxmill::cli
