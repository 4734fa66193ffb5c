#include "backend/base/buffer.h"

#include <cstring>

#include "backend/base/check.h"

namespace swiftness {

Buffer Buffer::allocate(size_t size) {
  if (size == 0) return {};
  auto memory = std::make_shared_for_overwrite<std::byte[]>(size);
  std::byte* data = memory.get();
  return Buffer(std::move(memory), data, size);
}

Buffer Buffer::zeros(size_t size) {
  // A hole in a thin disk is the most common thing to read: it costs no memory.
  static const auto shared = std::make_shared<std::byte[]>(1024 * 1024);
  if (size <= 1024 * 1024) return size == 0 ? Buffer() : Buffer(shared, shared.get(), size);
  Buffer buffer = allocate(size);
  std::memset(buffer.data_, 0, size);
  return buffer;
}

Buffer Buffer::copy_of(std::span<const std::byte> bytes) {
  Buffer buffer = allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(buffer.data_, bytes.data(), bytes.size());
  return buffer;
}

Buffer Buffer::copy_of(std::string_view text) {
  return copy_of(std::as_bytes(std::span(text)));
}

Buffer Buffer::own(Bytes bytes) {
  auto memory = std::make_shared<Bytes>(std::move(bytes));
  std::byte* data = memory->data();
  size_t size = memory->size();
  return Buffer(std::move(memory), data, size);
}

Buffer Buffer::slice(size_t offset, size_t size) const {
  CHECK(offset <= size_ && size <= size_ - offset);
  return Buffer(owner_, data_ + offset, size);
}

void BufferList::append(Buffer piece) {
  if (piece.empty()) return;
  size_ += piece.size();
  pieces_.push_back(std::move(piece));
}

void BufferList::append(const BufferList& other) {
  pieces_.insert(pieces_.end(), other.pieces_.begin(), other.pieces_.end());
  size_ += other.size_;
}

BufferList BufferList::slice(size_t offset, size_t size) const {
  CHECK(offset <= size_ && size <= size_ - offset);
  BufferList out;
  for (const Buffer& piece : pieces_) {
    if (size == 0) break;
    if (offset >= piece.size()) {
      offset -= piece.size();
      continue;
    }
    size_t taken = std::min(size, piece.size() - offset);
    out.append(piece.slice(offset, taken));
    offset = 0;
    size -= taken;
  }
  return out;
}

void BufferList::copy_to(std::span<std::byte> target) const {
  CHECK(target.size() == size_);
  size_t at = 0;
  for (const Buffer& piece : pieces_) {
    std::memcpy(target.data() + at, piece.data(), piece.size());
    at += piece.size();
  }
}

Buffer BufferList::flatten() const {
  if (pieces_.empty()) return {};
  if (pieces_.size() == 1) return pieces_.front();
  Buffer whole = Buffer::allocate(size_);
  copy_to(whole.writable());
  return whole;
}

bool operator==(const BufferList& a, const BufferList& b) {
  if (a.size() != b.size()) return false;
  Buffer left = a.flatten();
  Buffer right = b.flatten();
  return a.empty() || std::memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace swiftness
