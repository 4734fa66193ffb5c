// Parameter lists of copy offload as initiators make them, byte by byte: EXTENDED COPY, POPULATE
// TOKEN, WRITE USING TOKEN (SPC-5 6.6, SBC-4 5.11, 5.54).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/base/buffer.h"
#include "backend/base/endian.h"

namespace swiftness {

// An identification descriptor that names a logical unit by NAA.
inline Bytes target_descriptor(std::span<const std::byte, 16> naa, uint32_t block_size) {
  Bytes out(32);
  out[0] = std::byte{0xe4};
  out[4] = std::byte{1};
  out[5] = std::byte{3};
  out[7] = std::byte{16};
  std::ranges::copy(naa, &out[8]);
  store_be(&out[28], block_size);
  return out;
}

inline Bytes segment_descriptor(uint16_t from, uint16_t to, uint16_t blocks, uint64_t from_lba,
                                uint64_t to_lba) {
  Bytes out(28);
  out[0] = std::byte{0x02};
  store_be(&out[2], uint16_t{24});
  store_be(&out[4], from);
  store_be(&out[6], to);
  store_be(&out[10], blocks);
  store_be(&out[12], from_lba);
  store_be(&out[20], to_lba);
  return out;
}

struct CopyList {
  uint32_t list_identifier = 1;
  uint8_t usage = 0;  // LIST ID USAGE
  bool immed = false;
  std::vector<Bytes> targets{};
  std::vector<Bytes> segments{};

  Bytes lid1() const {
    Bytes out(16);
    out[0] = static_cast<std::byte>(list_identifier);
    out[1] = static_cast<std::byte>(usage << 3);
    store_be(&out[2], static_cast<uint16_t>(size_of(targets)));
    store_be(&out[8], static_cast<uint32_t>(size_of(segments)));
    append_all(out);
    return out;
  }
  Bytes lid4() const {
    Bytes out(48);
    out[0] = std::byte{1};
    out[1] = static_cast<std::byte>(usage << 3);
    store_be(&out[2], uint16_t{0x20});
    out[15] = immed ? std::byte{1} : std::byte{0};
    out[16] = std::byte{0xff};
    store_be(&out[20], list_identifier);
    store_be(&out[42], static_cast<uint16_t>(size_of(targets)));
    store_be(&out[44], static_cast<uint16_t>(size_of(segments)));
    append_all(out);
    return out;
  }

 private:
  static size_t size_of(const std::vector<Bytes>& descriptors) {
    size_t size = 0;
    for (const Bytes& one : descriptors) size += one.size();
    return size;
  }
  void append_all(Bytes& out) const {
    for (const Bytes& one : targets) out.insert(out.end(), one.begin(), one.end());
    for (const Bytes& one : segments) out.insert(out.end(), one.begin(), one.end());
  }
};

using Token = std::array<std::byte, 512>;  // ROD token

struct Range {
  uint64_t lba;
  uint32_t blocks;
};

inline void append_ranges(Bytes& list, const std::vector<Range>& ranges) {
  store_be(&list[list.size() - 2], static_cast<uint16_t>(ranges.size() * 16));
  for (const Range& range : ranges) {
    const size_t at = list.size();
    list.resize(at + 16);
    store_be(&list[at], range.lba);
    store_be(&list[at + 8], range.blocks);
  }
  store_be(&list[0], static_cast<uint16_t>(list.size() - 2));
}

inline Bytes populate_list(const std::vector<Range>& ranges, uint32_t timeout_s = 0) {
  Bytes list(16);
  store_be(&list[4], timeout_s);
  append_ranges(list, ranges);
  return list;
}

inline Bytes write_using_list(const Token& token, const std::vector<Range>& ranges,
                              uint64_t offset = 0, int flags = 0) {
  Bytes list(536);
  list[2] = static_cast<std::byte>(flags);  // DEL_TKN 2, IMMED 1
  store_be(&list[8], offset);
  std::ranges::copy(token, &list[16]);
  append_ranges(list, ranges);
  return list;
}

inline Token zero_token() {
  Token token{};
  store_be(&token[0], uint32_t{0xffff0001});
  store_be(&token[6], uint16_t{0x1f8});
  return token;
}

}  // namespace swiftness
