// Puts a library's files in place, all of them or none.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

namespace ptxmill::cli {

/// What shall become of a library's directory. Paths are relative to it.
struct Change {
  std::map<std::string, const std::string*> put;  ///< files and their new bytes
  std::set<std::string> remove;
};

/// Writing failed after the first file was in its place; running again finishes the work.
class HalfWritten : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Makes the change to `output`/`library`. A new directory is built beside the old one, from hard
/// links to the files that stay, and the two are exchanged in one system call: whoever is killed or
/// runs out of disk leaves the old library whole or the new one. Where that cannot be done (a
/// symbolic link in the way, a file system without links or exchange), each file is written beside
/// its place and renamed when all are written, the manifest last. One process at a time writes
/// below `output`.
///
/// Throws HalfWritten, or std::runtime_error where the library is as it was; both name the path and
/// the system's reason.
void commit(const std::filesystem::path& output, const std::string& library, const Change& change);

/// Where commit(), file by file, keeps the new manifest until its files are in place: of a run that
/// was killed meanwhile, it names what the old manifest does not.
std::filesystem::path pending_manifest(const std::filesystem::path& output,
                                       const std::string& library);

/// Removes what a killed commit() may have left beside the library's files.
void clean_up(const std::filesystem::path& output, const std::string& library);

/// Holds `output` against other processes that write there, as long as it lives. Where the file
/// system has no locks, it holds nothing.
class OutputLock {
 public:
  explicit OutputLock(const std::filesystem::path& output);
  ~OutputLock();
  OutputLock(const OutputLock&) = delete;
  OutputLock& operator=(const OutputLock&) = delete;

 private:
  int directory_;
};

/// Writes a file: its old bytes stay until all new ones are there. Throws std::runtime_error.
void replace_file(const std::filesystem::path& path, const std::string& bytes);

}  // namespace ptxmill::cli
