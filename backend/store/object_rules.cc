#include "backend/store/object_rules.h"

#include <fmt/core.h>

#include <algorithm>

namespace swiftness {
namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

Result<void> check_container(std::string_view container) {
  if (!container.empty() && std::all_of(container.begin(), container.end(), is_plain)) return {};
  return Error(ErrorCode::invalid, fmt::format("'{}' cannot be a container's name", container));
}

Result<void> check_object(const ObjectName& object) {
  Result<void> container = check_container(object.container);
  if (!container) return container;
  auto allowed = [](char c) { return is_plain(c) || c == '/'; };
  if (!object.name.empty() && std::all_of(object.name.begin(), object.name.end(), allowed)) {
    return {};
  }
  return Error(ErrorCode::invalid, fmt::format("'{}' cannot be an object's name", object.name));
}

Result<ByteRange> resolve(ByteRange range, uint64_t size) {
  if (range.offset <= size) {
    if (range.is_whole()) return ByteRange{range.offset, size - range.offset};
    if (range.length <= size - range.offset) return range;
    if (range.may_end_early && range.offset < size) {
      return ByteRange{range.offset, size - range.offset};
    }
  }
  return Error(ErrorCode::invalid,
               fmt::format("bytes {}+{} are not all inside an object of {} bytes", range.offset,
                           range.length, size));
}

}  // namespace swiftness
