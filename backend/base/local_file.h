// LocalFile: a file of fixed size on the gateway's own disk, as journals and caches use it. An
// interface, so that tests can put a disk there that tears, loses and delays.
//
// Calls are made on one shard and resume there; none of them blocks it. Calls under way at the same
// time may take effect in any order, so overlapping ones are the caller's mistake. Nobody destroys
// the file while a call is under way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "backend/base/async.h"
#include "backend/base/buffer.h"

namespace swiftness {

class LocalFile {
 public:
  virtual ~LocalFile() = default;

  virtual uint64_t size() const noexcept = 0;  // bytes; all of them allocated on the disk

  // Fills all of `target` at once, without waiting for the disk, or says false: then read() has the
  // data, or tells what is wrong.
  virtual bool try_read(uint64_t /*offset*/, std::span<std::byte> /*target*/) noexcept {
    return false;
  }

  // Exactly so many bytes, or an Error (corrupt: the disk cannot read them back).
  virtual Async<Buffer> read(uint64_t offset, size_t length) = 0;

  // Done when other readers of the file see it: it survives this process, not the machine. After an
  // Error any part of it may have been written.
  virtual Async<void> write(uint64_t offset, BufferList data) = 0;

  // Every write that had completed before this call is on the medium when it returns. After an Error
  // nothing is known of any write since the last success, and later successes say nothing about them.
  virtual Async<void> sync() = 0;
};

}  // namespace swiftness
