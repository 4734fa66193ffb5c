// Integers at byte positions. Objects in the store are little-endian (docs/FORMAT.md); iSCSI and
// SCSI are big-endian and use Boost.Endian's unaligned types in their wire structs.
#pragma once

#include <boost/endian/conversion.hpp>

#include <cstddef>

namespace swiftness {

template <class T>
void store_le(std::byte* at, T value) {
  boost::endian::endian_store<T, sizeof(T), boost::endian::order::little>(
      reinterpret_cast<unsigned char*>(at), value);
}

template <class T>
T load_le(const std::byte* at) {
  return boost::endian::endian_load<T, sizeof(T), boost::endian::order::little>(
      reinterpret_cast<const unsigned char*>(at));
}

template <class T>
void store_be(std::byte* at, T value) {
  boost::endian::endian_store<T, sizeof(T), boost::endian::order::big>(
      reinterpret_cast<unsigned char*>(at), value);
}

template <class T>
T load_be(const std::byte* at) {
  return boost::endian::endian_load<T, sizeof(T), boost::endian::order::big>(
      reinterpret_cast<const unsigned char*>(at));
}

}  // namespace swiftness
