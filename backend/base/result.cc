#include "backend/base/result.h"

namespace swiftness {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::not_found:
      return "not found";
    case ErrorCode::conflict:
      return "conflict";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::timed_out:
      return "timed out";
    case ErrorCode::unauthorized:
      return "unauthorized";
    case ErrorCode::out_of_space:
      return "out of space";
    case ErrorCode::corrupt:
      return "corrupt";
    case ErrorCode::fenced:
      return "fenced";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::invalid:
      return "invalid";
  }
  CHECK(false);
}

}  // namespace swiftness
