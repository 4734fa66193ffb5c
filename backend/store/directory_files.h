// DirectoryFiles: the work of DirectoryStore, in calls that block. May be called from any thread.
//
//   <path>/                            held open: it cannot be unmounted or swapped under us
//     <prefix>-<container>/            without "<prefix>-" where the prefix is empty
//       anchor                         one file an object; see file_name.h
//       chunk%2F1-5be0c7%2F42
//       .tmp-<random>                  being written; locked (flock) by its writer
//
// As safe as the disk below: a put is written to a temporary file, which is synced, then renamed
// (create-only: linked) to its place, then the folder is synced. So an object is there whole or not
// at all, and stays once the put has succeeded. Files are never changed in place.
//
// What a crash can leave: temporary files, removed when the container is first used again, and
// entries that are visible but not synced, synced at the same moment, before anybody sees them.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "backend/base/posix_file.h"
#include "backend/object_store.h"

namespace swiftness {

class DirectoryFiles {
 public:
  // Makes the folder where it is missing.
  static Result<std::unique_ptr<DirectoryFiles>> open(const std::filesystem::path& path,
                                                      std::string prefix);

  Result<void> create_container(const std::string& container);
  Result<void> put(const ObjectName& object, const BufferList& data, PutOptions options);
  Result<Buffer> get(const ObjectName& object, ByteRange range);
  Result<ObjectInfo> head(const ObjectName& object);
  std::vector<Presence> presence(const std::string& container,
                                 const std::vector<std::string>& names);
  RemoveReport remove(const std::vector<ObjectName>& objects);
  Result<ListPage> list(const std::string& container, const std::string& prefix,
                        const std::string& marker, size_t limit);
  Result<void> copy(const ObjectName& from, const ObjectName& to);

 private:
  class Temporary;
  struct OpenObject {
    FileDescriptor file;
    uint64_t size;
  };

  DirectoryFiles(FileDescriptor root, std::string prefix)
      : root_(std::move(root)), prefix_(std::move(prefix)) {}

  std::string folder_name(const std::string& container) const;
  Result<FileDescriptor> open_container(const std::string& container);
  Result<OpenObject> open_object(const ObjectName& object);
  Result<Temporary> make_temporary(int folder);
  Result<void> publish(Temporary temporary, int folder, const ObjectName& object, bool create_only);
  Result<void> tidy_once(const std::string& container, int folder);
  bool anchor_is_readable(const std::string& container);
  void remove_from(const std::string& container, const std::vector<ObjectName>& objects,
                   RemoveReport& report);

  FileDescriptor root_;
  std::string prefix_;
  std::mutex tidy_mutex_;
  std::set<std::string> tidied_;  // containers, since this process runs
};

}  // namespace swiftness
