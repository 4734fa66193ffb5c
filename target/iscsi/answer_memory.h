// Memory that an initiator can make us hold beside the data of its commands: answers it does not
// read, and requests with data of their own (pings, text) that came before their turn. Each
// connection and each session has an account of it, all accounts are within one total.
//
// Who has too much waits: a connection is not read until its initiator has read (connection.cc),
// and a ping that may have to be held is rejected. Nobody waits for anybody else: what makes room
// for an account is always the reading of its own initiator, and when the total is used up each
// account still has a little.
#pragma once

#include <cstdint>

#include "backend/base/check.h"

namespace swiftness::iscsi {

class AnswerMemory {
 public:
  static constexpr uint64_t kShare = 16 * 1024;  // of each account, whatever others have

  AnswerMemory(uint64_t account_limit, uint64_t limit)
      : account_limit_(account_limit), limit_(limit) {}
  AnswerMemory(const AnswerMemory&) = delete;
  AnswerMemory& operator=(const AnswerMemory&) = delete;

  uint64_t in_use() const noexcept { return in_use_; }

  class Account {
   public:
    explicit Account(AnswerMemory& memory) : memory_(memory) {}
    Account(const Account&) = delete;
    Account& operator=(const Account&) = delete;
    ~Account() { remove(bytes_); }

    bool has_room_for(uint64_t bytes) const noexcept {
      return is_within_total(bytes) && (bytes_ + bytes <= memory_.account_limit_ || bytes_ == 0);
    }
    bool is_within_total(uint64_t bytes) const noexcept {
      return bytes_ + bytes <= kShare || memory_.in_use_ + bytes <= memory_.limit_;
    }
    void add(uint64_t bytes) noexcept {
      bytes_ += bytes;
      memory_.in_use_ += bytes;
    }
    void remove(uint64_t bytes) {
      CHECK(bytes <= bytes_);
      bytes_ -= bytes;
      memory_.in_use_ -= bytes;
    }
    uint64_t bytes() const noexcept { return bytes_; }

   private:
    AnswerMemory& memory_;
    uint64_t bytes_ = 0;
  };

 private:
  const uint64_t account_limit_;
  const uint64_t limit_;
  uint64_t in_use_ = 0;
};

}  // namespace swiftness::iscsi
