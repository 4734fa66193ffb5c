// What takes bytes of strangers apart, each as a function of bytes for a fuzzer: the wire (a
// hostile initiator), and what is read out of a store or a journal (damage). A target aborts
// (CHECK) when something does not hold that must hold whatever the bytes are; besides, sanitizers
// look on.
//
// tests/fuzz/run gives them to libFuzzer for as long as one likes. fuzz_test runs them on their
// seeds and some thousand mutations of these, the same each time. An input that was found to break
// a target becomes one of its seeds.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "backend/base/buffer.h"

namespace swiftness::fuzz {

struct Target {
  std::string_view name;
  void (*run)(std::span<const std::byte> input);
  std::vector<Bytes> (*seeds)();  // valid inputs
};

extern const Target kPdu;       // framing: any bytes, cut anywhere
extern const Target kLogin;     // login requests, to a target with CHAP and one without
extern const Target kText;      // text keys, and text requests in full feature phase
extern const Target kScsi;      // CDBs, LUNs, parameter lists
extern const Target kCommands;  // whole commands, one after the other
extern const Target kRecords;   // of the store: chunk headers, frames, map records, claims
extern const Target kJournal;   // superblocks, records, and the scan of a ring

inline const Target* const kTargets[] = {&kPdu,      &kLogin,   &kText,   &kScsi,
                                         &kCommands, &kRecords, &kJournal};

inline Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace swiftness::fuzz
