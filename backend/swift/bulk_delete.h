// Swift's bulk delete (POST of the account, ?bulk-delete) on the wire: the list that is sent, and
// the report that comes back in the body of a 200 whatever became of the objects. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/base/result.h"
#include "backend/object_store.h"

namespace swiftness {

// One line of the list, without its end. The object's name is not empty: a line with a container's
// name alone would delete the container.
std::string bulk_delete_line(const ObjectName& object);

struct BulkDeleteAnswer {
  struct Failed {
    std::string name;   // "container/object", plain
    int status = 0;     // of that object's DELETE
    std::string words;  // the whole status line
  };
  int status = 0;     // of it all: 200, or why some failed or the rest was not tried
  std::string words;  // the whole status line, and what else Swift says
  uint64_t deleted = 0;
  uint64_t not_found = 0;
  std::vector<Failed> failed;

  uint64_t accounted_for() const noexcept { return deleted + not_found + failed.size(); }
};

// JSON. White space before it kept the connection alive.
Result<BulkDeleteAnswer> parse_bulk_delete(std::string_view body);

}  // namespace swiftness
