// Result<T>: a value or an Error. Expected failures travel in it; exceptions are for start-up and
// for libraries. It is a class of our own because compilers do not warn about a discarded nodiscard
// alias of Boost's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "backend/base/check.h"

namespace swiftness {

// What failed, as far as a caller may act on it. Distinct on purpose: exactly one table maps these
// to SCSI sense data and exactly one maps HTTP answers to them.
enum class ErrorCode {
  not_found,     // the object is not there, says one answer; only Presence::no is proof of absence
  conflict,      // a create-only put met an existing object
  unavailable,   // the store cannot be reached or answers 5xx; retrying may help
  timed_out,     // no answer within the deadline; the operation may still take effect
  unauthorized,  // the store refuses our credentials
  out_of_space,  // the store is full, or a quota is reached
  corrupt,       // what was read is not what was written
  fenced,        // another gateway has taken the volume; this one must stop
  cancelled,     // given up before it took effect; it never will
  invalid,       // the request itself is wrong (configuration, argument, range)
};

std::string_view to_string(ErrorCode code) noexcept;

class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }  // for people; names the cause

  // The same error as seen from one layer up: "<context>: <message>".
  Error within(std::string_view context) const {
    return Error(code_, std::string(context) + ": " + message_);
  }

 private:
  ErrorCode code_;
  std::string message_;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  T& value() & { return checked(); }
  const T& value() const& { return const_cast<Result*>(this)->checked(); }
  T&& value() && { return std::move(checked()); }
  T& operator*() & { return checked(); }
  const T& operator*() const& { return const_cast<Result*>(this)->checked(); }
  T&& operator*() && { return std::move(checked()); }
  T* operator->() { return &checked(); }
  const T* operator->() const { return &const_cast<Result*>(this)->checked(); }

  const Error& error() const {
    CHECK(!ok());
    return *std::get_if<1>(&state_);
  }

 private:
  T& checked() {
    CHECK(ok());
    return *std::get_if<0>(&state_);
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }
  const Error& error() const {
    CHECK(!ok());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace swiftness
