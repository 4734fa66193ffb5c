#include "target/scsi/identity.h"

#include <algorithm>

#include "backend/base/hash.h"

namespace swiftness::scsi {
namespace {

constexpr std::byte company_byte(int number) {
  return static_cast<std::byte>(kCompanyId >> (16 - 8 * number) & 0xff);
}

}  // namespace

Naa6 naa6_of(const Uuid& identity) {
  Sha256 hash = sha256(identity.bytes);
  Naa6 name{};
  // The 4-bit NAA shifts the company id by half a byte: 6C CC CC Ch hh ...
  name[0] = std::byte{0x60} | company_byte(0) >> 4;
  name[1] = company_byte(0) << 4 | company_byte(1) >> 4;
  name[2] = company_byte(1) << 4 | company_byte(2) >> 4;
  name[3] = company_byte(2) << 4 | (hash[0] & std::byte{0x0f});
  std::copy_n(hash.begin() + 1, 12, name.begin() + 4);
  return name;
}

Eui64 eui64_of(const Uuid& identity) {
  Sha256 hash = sha256(identity.bytes);
  Eui64 name{company_byte(0), company_byte(1), company_byte(2)};
  std::copy_n(hash.begin() + 16, 5, name.begin() + 3);
  return name;
}

std::string serial_of(const Uuid& identity) {
  return to_hex(identity.bytes);
}

}  // namespace swiftness::scsi
