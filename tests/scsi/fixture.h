// The vocabulary of the SCSI tests: a disk in memory behind a task router, and an initiator that
// sends CDBs the way a transport does (plan, then execute). Time stands still: execute() runs until
// nothing can go on.
#pragma once

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/base/hash.h"
#include "target/scsi/logical_unit.h"
#include "target/scsi/lun.h"
#include "target/scsi/sense.h"
#include "target/scsi/task_router.h"
#include "tests/support/memory_device.h"

namespace swiftness::scsi::test {

using swiftness::test::MemoryDevice;

inline Cdb cdb(std::initializer_list<int> bytes) {
  Cdb out{};
  size_t i = 0;
  for (int byte : bytes) out.at(i++) = static_cast<uint8_t>(byte);
  return out;
}

inline const Cdb kTestUnitReady = cdb({0x00});
inline const Cdb kInquiry = cdb({0x12, 0, 0, 0, 36});
inline const Cdb kRead = cdb({0x28, 0, 0, 0, 0, 0, 0, 0, 1});   // block 0
inline const Cdb kWrite = cdb({0x2a, 0, 0, 0, 0, 0, 0, 0, 1});  // block 0

// "0102 0a" for readable golden bytes; spaces in the expectation are for the eye.
inline std::string hex(const Bytes& bytes) {
  return to_hex(bytes);
}
inline std::string hex(const BufferList& data) {
  return to_hex(data.flatten().bytes());
}
inline std::string squeezed(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != ' ') out.push_back(c);
  }
  return out;
}

inline Buffer pattern(size_t size, int seed) {
  Buffer buffer = Buffer::allocate(size);
  for (size_t i = 0; i < size; ++i) {
    buffer.writable()[i] = static_cast<std::byte>((i * 7 + static_cast<size_t>(seed)) & 0xff);
  }
  return buffer;
}

// "05/24/00" of fixed format sense data; "" when there is none.
inline std::string sense_code(const Bytes& sense) {
  if (sense.size() < 14) return "";
  std::string all = to_hex(sense);
  return all.substr(4, 2) + "/" + all.substr(24, 2) + "/" + all.substr(26, 2);
}

// A command under way; done when `result` is set.
struct Flight {
  TransferPlan plan;
  TicketPtr ticket = std::make_shared<Ticket>();
  std::optional<ScsiResult> result;
  bool done() const { return result.has_value(); }
};

inline swiftness::Task land(asio::awaitable<ScsiResult> execution, std::shared_ptr<Flight> flight) {
  ScsiResult result = co_await std::move(execution);
  flight->result = std::move(result);
}

class ScsiTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kBlocks = 2048;  // 1 MiB of 512-byte blocks

  ScsiTest() : device_(io_.get_executor(), kBlocks), second_device_(io_.get_executor(), 64) {}

  // Puts the disk at LUN 0 and logs in. Each test may say how before its first command.
  void start(LogicalUnitOptions options = {}, NexusOptions nexus = {}) {
    auto unit = std::make_unique<LogicalUnit>(device_, std::move(options));
    unit_ = unit.get();
    router_.add(0, std::move(unit));
    nexus_ = log_in(std::move(nexus));
  }

  // The gateway begins anew: no nexus is logged in, and only what the device keeps is left.
  void restart(LogicalUnitOptions options = {}) {
    std::destroy_at(&router_);
    std::construct_at(&router_);
    auto unit = std::make_unique<LogicalUnit>(device_, std::move(options));
    unit_ = unit.get();
    router_.add(0, std::move(unit));
  }

  void add_second(uint16_t lun) {
    router_.add(lun, std::make_unique<LogicalUnit>(second_device_, LogicalUnitOptions{}));
  }

  // A nexus that has been told of the power on.
  NexusId log_in(NexusOptions options = {}) {
    NexusId nexus = router_.attach(std::move(options));
    for (int i = 0; i < 4; ++i) {
      if (send(cdb({0x00}), {}, nexus).status == Status::good) break;
    }
    return nexus;
  }

  Command command(const Cdb& cdb, size_t data_out, NexusId nexus, uint16_t lun) {
    Command command;
    command.nexus = nexus;
    command.tag = TaskTag(++last_tag_);
    command.lun = lun_to_field(lun);
    command.cdb = cdb;
    command.writes = data_out > 0;
    command.reads = data_out == 0;
    command.expected_data_length = data_out > 0 ? static_cast<uint32_t>(data_out) : 16 << 20;
    return command;
  }

  std::shared_ptr<Flight> begin(Command command, BufferList data = {}) {
    auto flight = std::make_shared<Flight>();
    flight->plan = router_.plan(command);
    if (flight->plan.final) {
      flight->result = flight->plan.final;
      return flight;
    }
    if (flight->plan.direction != TransferPlan::Direction::from_initiator) data = {};
    data = data.slice(0, std::min<size_t>(data.size(), flight->plan.bytes));
    asio::co_spawn(
        io_, land(router_.execute(std::move(command), std::move(data), flight->ticket), flight),
        [](std::exception_ptr failure) { EXPECT_FALSE(failure); });
    turn();
    return flight;
  }

  std::shared_ptr<Flight> begin(const Cdb& cdb, BufferList data = {},
                                TaskAttribute attribute = TaskAttribute::simple) {
    Command sent = command(cdb, data.size(), nexus_, 0);
    sent.attribute = attribute;
    return begin(std::move(sent), std::move(data));
  }

  // Sends and expects an answer at once.
  ScsiResult send(const Cdb& cdb, BufferList data = {}, std::optional<NexusId> nexus = {},
                  uint16_t lun = 0) {
    Command sent = command(cdb, data.size(), nexus.value_or(nexus_), lun);
    std::shared_ptr<Flight> flight = begin(std::move(sent), std::move(data));
    EXPECT_TRUE(flight->done()) << "no answer";
    return flight->result.value_or(ScsiResult{});
  }

  std::string sense_of(const Cdb& cdb, BufferList data = {}, std::optional<NexusId> nexus = {},
                       uint16_t lun = 0) {
    ScsiResult result = send(cdb, std::move(data), nexus, lun);
    if (result.status != Status::check_condition) {
      return "status " + std::to_string(static_cast<int>(result.status));
    }
    return sense_code(result.sense);
  }

  void turn() {
    io_.restart();
    io_.poll();
  }

  asio::io_context io_;
  MemoryDevice device_;
  MemoryDevice second_device_;
  TaskRouter router_;
  LogicalUnit* unit_ = nullptr;
  NexusId nexus_;
  uint64_t last_tag_ = 0;
};

inline constexpr const char* kGood = "status 0";
inline constexpr const char* kBusy = "status 8";

}  // namespace swiftness::scsi::test
