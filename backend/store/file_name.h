// How an object's name becomes a file's name, and back.
//
// A container is one flat folder: an object `a` and an object `a/b` may exist side by side, and
// a listing is sorted by the objects' names, not by folders. '/' is written %2F; a leading '.' is
// written %2E, so that ".", ".." and hidden names cannot come out, and names that begin with '.'
// are free for files that are no objects. '%' is not allowed in an object's name: no two names
// meet.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace swiftness {

std::string file_name_of(std::string_view object_name);

// Nothing when no object has a file of this name.
std::optional<std::string> object_name_of(std::string_view file_name);

}  // namespace swiftness
