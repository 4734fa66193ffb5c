// PduWriter: sends PDUs in order, many of them with one sendmsg. What is queued in one turn of the
// event loop leaves together: the first PDU posts one flush, which gathers headers and data from
// where they are, up to IOV_MAX pieces a call. Data is never copied.
//
// A state machine on handlers, not a coroutine: it runs for every turn with output. Its handlers
// keep `owner` alive.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include <array>
#include <deque>
#include <functional>
#include <memory>

#include "backend/base/buffer.h"
#include "target/iscsi/answer_memory.h"
#include "target/iscsi/pdu.h"

namespace swiftness::iscsi {

class PduWriter {
 public:
  struct Events {
    std::function<void()> progressed;                // bytes went to the kernel
    std::function<void()> drained;                   // the last of them, too
    std::function<void(const std::string&)> failed;  // the socket is of no use any more
  };

  PduWriter(boost::asio::ip::tcp::socket& socket, AnswerMemory& memory)
      : socket_(socket), account_(memory) {}
  PduWriter(const PduWriter&) = delete;
  PduWriter& operator=(const PduWriter&) = delete;
  void start(std::weak_ptr<const void> owner, Events events);
  void stop() noexcept;  // sends nothing more and lets everything go

  void set_digests(bool header, bool data) {  // from the next PDU on
    header_digest_ = header;
    data_digest_ = data;
  }

  // `data` is the data segment; its length is put into the header here. `keep` lives until the PDU
  // went to the kernel. `bytes`: what it takes on the account.
  void queue(Bhs header, BufferList data, std::shared_ptr<const void> keep, uint64_t bytes);
  bool idle() const noexcept { return queue_.empty(); }
  const AnswerMemory::Account& account() const noexcept { return account_; }

 private:
  struct Entry {
    std::array<std::byte, kBhsSize + 4> head;  // header, digest
    std::array<std::byte, 8> tail;             // padding, digest
    uint8_t head_size = kBhsSize;
    uint8_t tail_size = 0;
    BufferList data;
    std::shared_ptr<const void> keep;
    uint64_t bytes = 0;  // on the account

    size_t size() const noexcept { return head_size + data.size() + tail_size; }
  };

  void schedule();
  void flush();
  void wait_for_room();
  void sent(size_t bytes);

  boost::asio::ip::tcp::socket& socket_;
  AnswerMemory::Account account_;
  std::weak_ptr<const void> owner_;
  Events events_;
  std::deque<Entry> queue_;
  size_t front_sent_ = 0;   // bytes of queue_.front() that are gone
  bool scheduled_ = false;  // a flush or a wait is under way
  bool stopped_ = false;
  bool header_digest_ = false;
  bool data_digest_ = false;
};

}  // namespace swiftness::iscsi
