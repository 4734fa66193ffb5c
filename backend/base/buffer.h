// Buffer: a reference-counted slice of memory. BufferList: an ordered gather list of them. Data
// moves through the gateway by sharing slices, not by copying: a WRITE's buffer is filled from the
// socket and later sent to the store as it is.
//
// Copying a Buffer copies a reference. The reference count is atomic, the bytes are not guarded:
// whoever allocated a Buffer fills it before it hands the first copy on; after that nobody writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace swiftness {

using Bytes = std::vector<std::byte>;

class Buffer {
 public:
  Buffer() = default;
  static Buffer allocate(size_t size);  // uninitialised
  static Buffer zeros(size_t size);     // shares one page of zeros where it can
  static Buffer copy_of(std::span<const std::byte> bytes);
  static Buffer copy_of(std::string_view text);
  static Buffer own(Bytes bytes);  // takes the vector over

  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const std::byte* data() const noexcept { return data_; }
  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }

  // Only for the one who allocated it, before the first copy is handed on.
  std::span<std::byte> writable() noexcept { return {data_, size_}; }

  Buffer slice(size_t offset, size_t size) const;  // CHECKs the range

 private:
  Buffer(std::shared_ptr<const void> owner, std::byte* data, size_t size)
      : owner_(std::move(owner)), data_(data), size_(size) {}

  std::shared_ptr<const void> owner_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

class BufferList {
 public:
  BufferList() = default;
  BufferList(Buffer piece) { append(std::move(piece)); }

  void append(Buffer piece);  // empty pieces are dropped
  void append(const BufferList& other);

  size_t size() const noexcept { return size_; }  // bytes in all
  bool empty() const noexcept { return size_ == 0; }
  const std::vector<Buffer>& pieces() const noexcept { return pieces_; }
  std::vector<Buffer> take_pieces() && {
    size_ = 0;
    return std::exchange(pieces_, {});
  }

  BufferList slice(size_t offset, size_t size) const;  // CHECKs the range
  void copy_to(std::span<std::byte> target) const;     // target.size() == size()
  Buffer flatten() const;                              // one piece; copies unless it is one already

 private:
  std::vector<Buffer> pieces_;
  size_t size_ = 0;
};

bool operator==(const BufferList& a, const BufferList& b);  // same bytes, however cut

}  // namespace swiftness
