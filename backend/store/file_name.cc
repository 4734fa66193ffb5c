#include "backend/store/file_name.h"

#include "backend/store/object_rules.h"

namespace swiftness {

std::string file_name_of(std::string_view object_name) {
  std::string out;
  for (size_t i = 0; i < object_name.size(); ++i) {
    if (object_name[i] == '/') {
      out += "%2F";
    } else if (i == 0 && object_name[i] == '.') {
      out += "%2E";
    } else {
      out += object_name[i];
    }
  }
  return out;
}

std::optional<std::string> object_name_of(std::string_view file_name) {
  std::string out;
  while (!file_name.empty()) {
    if (file_name.starts_with("%2F")) {
      out += '/';
      file_name.remove_prefix(3);
    } else if (out.empty() && file_name.starts_with("%2E")) {
      out += '.';
      file_name.remove_prefix(3);
    } else if (out.empty() && file_name.front() == '.') {
      return std::nullopt;
    } else {
      out += file_name.front();
      file_name.remove_prefix(1);
    }
  }
  if (!check_object({"any", out})) return std::nullopt;
  return out;
}

}  // namespace swiftness
