// Blocks compared and combined, however they are cut into pieces. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "backend/base/buffer.h"

namespace swiftness::scsi {

// Where two lists of the same size first differ, in bytes; nothing when they are the same.
std::optional<uint64_t> first_difference(const BufferList& a, const BufferList& b);

// The same, of `data` and as many repetitions of `block` as it is long.
std::optional<uint64_t> first_difference_from_repeated(const BufferList& data,
                                                       std::span<const std::byte> block);

// Bitwise OR of two lists of the same size, in one new piece.
Buffer or_of(const BufferList& a, const BufferList& b);

// No bit of it is one.
bool is_all_zero(std::span<const std::byte> bytes);

}  // namespace swiftness::scsi
