#include "target/iscsi/pdu_writer.h"

#include <boost/asio/post.hpp>

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "backend/base/check.h"
#include "backend/base/crc32c.h"
#include "backend/base/endian.h"

namespace swiftness::iscsi {
namespace {

constexpr size_t kPieces = 1024;  // IOV_MAX
constexpr int kSendsPerTurn = 8;  // then others have their turn

// The pieces of one sendmsg, without the first `skip` bytes.
class Gather {
 public:
  explicit Gather(size_t skip) : skip_(skip) {}

  bool full() const noexcept { return count_ == kPieces; }
  void add(const std::byte* data, size_t size) {
    if (skip_ >= size) {
      skip_ -= size;
      return;
    }
    pieces_[count_++] = {const_cast<std::byte*>(data + skip_), size - skip_};
    bytes_ += size - skip_;
    skip_ = 0;
  }
  size_t bytes() const noexcept { return bytes_; }

  ssize_t send(int socket) {
    msghdr message{};
    message.msg_iov = pieces_.data();
    message.msg_iovlen = count_;
    ssize_t sent;
    do {
      sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent;
  }

 private:
  std::array<iovec, kPieces> pieces_;
  size_t count_ = 0;
  size_t bytes_ = 0;
  size_t skip_;
};

}  // namespace

void PduWriter::start(std::weak_ptr<const void> owner, Events events) {
  owner_ = std::move(owner);
  events_ = std::move(events);
}

void PduWriter::stop() noexcept {
  stopped_ = true;
  std::deque<Entry> dropped = std::move(queue_);
  queue_.clear();
  account_.remove(account_.bytes());
  front_sent_ = 0;
}

void PduWriter::queue(Bhs header, BufferList data, std::shared_ptr<const void> keep,
                      uint64_t bytes) {
  if (stopped_) return;
  header.data_segment_length = static_cast<uint32_t>(data.size());
  Entry entry;
  std::memcpy(entry.head.data(), &header, kBhsSize);
  if (header_digest_) {
    uint32_t crc = crc32c(std::span(entry.head).first(kBhsSize));
    store_le(entry.head.data() + kBhsSize, crc);
    entry.head_size = kBhsSize + 4;
  }
  entry.tail_size = static_cast<uint8_t>((4 - data.size() % 4) % 4);
  entry.tail.fill(std::byte{0});
  if (data_digest_ && !data.empty()) {
    uint32_t crc = 0;
    for (const Buffer& piece : data.pieces()) crc = crc32c(piece.bytes(), crc);
    crc = crc32c(std::span(entry.tail).first(entry.tail_size), crc);
    store_le(entry.tail.data() + entry.tail_size, crc);
    entry.tail_size = static_cast<uint8_t>(entry.tail_size + 4);
  }
  entry.data = std::move(data);
  entry.keep = std::move(keep);
  entry.bytes = bytes;
  account_.add(bytes);
  queue_.push_back(std::move(entry));
  if (!scheduled_) schedule();
}

void PduWriter::schedule() {
  scheduled_ = true;
  boost::asio::post(socket_.get_executor(), [this, owner = owner_.lock()] {
    if (owner) flush();
  });
}

void PduWriter::flush() {
  scheduled_ = false;
  for (int sends = 0; sends < kSendsPerTurn; ++sends) {
    if (stopped_ || queue_.empty()) return;
    Gather gather(front_sent_);
    for (const Entry& entry : queue_) {
      if (gather.full()) break;
      gather.add(entry.head.data(), entry.head_size);
      for (const Buffer& piece : entry.data.pieces()) {
        if (gather.full()) break;
        gather.add(piece.data(), piece.size());
      }
      if (gather.full()) break;
      gather.add(entry.tail.data(), entry.tail_size);
    }
    ssize_t result = gather.send(socket_.native_handle());
    if (result < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return wait_for_room();
      events_.failed(std::generic_category().message(errno));
      return;
    }
    sent(static_cast<size_t>(result));
    if (static_cast<size_t>(result) < gather.bytes()) return wait_for_room();
  }
  if (!stopped_ && !queue_.empty()) schedule();
}

void PduWriter::wait_for_room() {
  scheduled_ = true;
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_write,
                     [this, owner = owner_.lock()](boost::system::error_code failure) {
                       if (owner && !failure) flush();
                     });
}

void PduWriter::sent(size_t bytes) {
  front_sent_ += bytes;
  while (!queue_.empty() && front_sent_ >= queue_.front().size()) {
    front_sent_ -= queue_.front().size();
    Entry done = std::move(queue_.front());
    account_.remove(done.bytes);
    queue_.pop_front();  // before `done` goes: what it kept may queue something in its destructor
  }
  events_.progressed();
  if (queue_.empty()) {
    CHECK(front_sent_ == 0);
    events_.drained();
  }
}

}  // namespace swiftness::iscsi
