#include "target/scsi/transport_id.h"

#include <algorithm>

#include "backend/base/endian.h"

namespace swiftness::scsi {
namespace {

constexpr std::byte kIscsiInitiatorPort{0x40 | 0x05};  // TPID FORMAT 01b, PROTOCOL IDENTIFIER 5h
constexpr size_t kTransportIdHeader = 4;
constexpr size_t kLeastAdditionalLength = 20;
constexpr size_t kLongestName = 223 + 5 + 14;  // of an iSCSI name, ",i,0x" and an ISID

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

NexusName nexus_name(std::string_view initiator_port, uint16_t relative_target_port) {
  NexusName out{std::string(initiator_port), relative_target_port};
  std::ranges::transform(out.initiator_port, out.initiator_port.begin(), lower);
  return out;
}

Bytes transport_id_of(std::string_view initiator_port) {
  const std::string_view name = initiator_port.substr(0, kLongestName);
  size_t length = std::max(kLeastAdditionalLength, name.size() + 1);  // with its NUL
  length = (length + 3) / 4 * 4;
  Bytes out(kTransportIdHeader + length);
  out[0] = kIscsiInitiatorPort;
  store_be(&out[2], static_cast<uint16_t>(length));
  std::ranges::transform(name, out.begin() + kTransportIdHeader,
                         [](char c) { return static_cast<std::byte>(c); });
  return out;
}

std::optional<ParsedTransportId> parse_transport_id(std::span<const std::byte> bytes) {
  if (bytes.size() < kTransportIdHeader || bytes[0] != kIscsiInitiatorPort) return std::nullopt;
  const size_t length = load_be<uint16_t>(&bytes[2]);
  if (length < kLeastAdditionalLength || length % 4 != 0 ||
      bytes.size() < kTransportIdHeader + length) {
    return std::nullopt;
  }
  const auto field = bytes.subspan(kTransportIdHeader, length);
  const auto end = std::ranges::find(field, std::byte{0});
  if (end == field.end()) return std::nullopt;
  ParsedTransportId out;
  out.size = kTransportIdHeader + length;
  std::transform(field.begin(), end, std::back_inserter(out.initiator_port),
                 [](std::byte b) { return lower(static_cast<char>(b)); });
  const size_t separator = out.initiator_port.find(",i,0x");
  const bool has_port =
      separator != std::string::npos && separator > 0 && out.initiator_port.size() > separator + 5;
  if (!has_port || out.initiator_port.size() > kLongestName) return std::nullopt;
  return out;
}

}  // namespace swiftness::scsi
