// What tests of the login say again and again.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "target/iscsi/login.h"

namespace swiftness::iscsi {

inline constexpr const char* kName = "iqn.2026-11.org.swiftness:vm";
inline constexpr const char* kHost = "iqn.1993-08.org.debian:01:host1";

// Stages and their bits in the flags byte.
inline constexpr uint8_t kSecurityToOperational = 0x81;
inline constexpr uint8_t kOperationalToFull = 0x87;
inline constexpr uint8_t kSecurityToFull = 0x83;

inline std::string keys(
    std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) {
  std::string text;
  for (auto& [name, value] : pairs) append_key(text, name, value);
  return text;
}

inline LoginRequest request(uint8_t flags) {
  LoginRequest pdu;
  pdu.flags = flags;
  pdu.isid = {0x40, 0, 1, 0x37, 0, 1};
  pdu.cid = 1;
  pdu.cmd_sn = 1;
  return pdu;
}

inline uint16_t status(const Login::Answer& answer) {
  return static_cast<uint16_t>(answer.header.status_class << 8 | answer.header.status_detail);
}

}  // namespace swiftness::iscsi
