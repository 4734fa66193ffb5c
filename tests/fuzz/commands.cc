// Whole commands, one after the other: CDB and data go through plan() and execute() of a target
// with two disks in memory, as from the transport. Each must be answered, at once as nothing waits
// here; the disks (MemoryDevice) look that no command goes beyond their end.
//
// A command is: a byte of kBy..., the CDB, the length of the data in two bytes, the data. In the
// place of a ROD token, kTokenHere stands for the last one that was handed out.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "backend/base/check.h"
#include "backend/base/endian.h"
#include "backend/base/log.h"
#include "target/scsi/cdb.h"
#include "target/scsi/identity.h"
#include "target/scsi/limits.h"
#include "target/scsi/logical_unit.h"
#include "target/scsi/lun.h"
#include "target/scsi/mode_pages.h"
#include "target/scsi/rod_tokens.h"
#include "target/scsi/task_router.h"
#include "tests/fuzz/targets.h"
#include "tests/support/memory_device.h"

namespace swiftness::fuzz {
namespace {

using namespace scsi;
using test::MemoryDevice;

constexpr size_t kMaximumCommands = 64;  // of one input
constexpr size_t kHeader = 1 + 16 + 2;
constexpr std::string_view kTokenHere = "the last ROD token";
constexpr size_t kTokenAt = 16;  // in the parameter list of WRITE USING TOKEN

constexpr uint8_t kByReader = 0x01;  // by a nexus that may not write
constexpr uint8_t kLunShift = 1;  // two bits: 0 and 1 are disks, 2 can be ejected, 3 is not there
constexpr uint8_t kToInitiator = 0x08;
constexpr uint8_t kAttributeShift = 4;  // two bits
constexpr uint8_t kDiskFails = 0x40;    // from its second operation on
constexpr uint8_t kRestart = 0x80;      // before it: what the volumes keep is what is left

class Disks {
 public:
  Disks()
      : devices_{MemoryDevice(io_.get_executor(), geometry_of(0, 512)),
                 MemoryDevice(io_.get_executor(), geometry_of(1, 4096)),
                 MemoryDevice(io_.get_executor(), geometry_of(2, 512))} {
    for (MemoryDevice& device : devices_) {
      device.keep_metadata();
      device.report_holes();
    }
    devices_[0].set_quota(kBytes / 2);
    start();
  }

  void run(uint8_t by, const Cdb& cdb, Bytes data) {
    if ((by & kRestart) != 0) {
      std::destroy_at(&router_);
      std::construct_at(&router_);
      start();
    }
    const bool reader = (by & kByReader) != 0;
    put_token(data);
    Command command;
    command.nexus = reader ? reader_ : writer_;
    command.tag = TaskTag(++tags_);
    command.lun = lun_to_field((by >> kLunShift) & 3);
    command.attribute = static_cast<TaskAttribute>((by >> kAttributeShift) & 3);
    command.cdb = cdb;
    command.writes = (by & kToInitiator) == 0;
    command.reads = !command.writes;
    command.expected_data_length =
        command.writes ? static_cast<uint32_t>(data.size()) : kMaximumTransferBytes;
    const auto changes = changes_of_disks();
    const ScsiResult result =
        answer_to(std::move(command), std::move(data), (by & kDiskFails) != 0);
    CHECK((result.status == Status::check_condition) == !result.sense.empty());
    CHECK(!reader || changes == changes_of_disks());
    if (cdb[0] == opcode::kThirdPartyCopyIn) keep_token(result.data_in);
  }

 private:
  static constexpr uint64_t kBytes = 4 << 20;

  static Geometry geometry_of(int number, uint32_t block_size) {
    Uuid uuid{};
    uuid.bytes[0] = static_cast<std::byte>(number);
    return {block_size, BlockCount(kBytes / block_size), uuid};
  }

  void start() {
    for (uint16_t lun = 0; lun < devices_.size(); ++lun) {
      LogicalUnitOptions options;
      options.removable = lun == 2;
      options.target_ports = {TargetPort{"iqn.x:t,t,0x1", 1, 1}};
      options.soft_threshold = ByteCount(kBytes / 4);
      router_.add(lun, std::make_unique<LogicalUnit>(devices_[lun], std::move(options)));
    }
    writer_ = router_.attach({.initiator_port = "iqn.x:a,i,0x1"});
    reader_ = router_.attach({.initiator_port = "iqn.x:b,i,0x1", .read_only = true});
    // They are told of the power on, so that a fuzzer need not find out to ask twice.
    for (NexusId nexus : {writer_, reader_}) {
      for (uint16_t lun = 0; lun < devices_.size(); ++lun) {
        Command ready;
        ready.nexus = nexus;
        ready.lun = lun_to_field(lun);
        (void)router_.plan(ready);
      }
    }
  }

  void turn() {
    io_.restart();
    io_.poll();
  }

  ScsiResult answer_to(Command command, Bytes data, bool disk_fails) {
    const TransferPlan plan = router_.plan(command);
    if (plan.final) return *plan.final;
    const bool takes = plan.direction == TransferPlan::Direction::from_initiator;
    if (takes && !command.writes) return ScsiResult{};  // the transport ends it
    data.resize(takes ? std::min<size_t>(data.size(), plan.bytes) : 0);
    std::optional<ScsiResult> result;
    for (MemoryDevice& device : devices_) {
      if (disk_fails) device.hang();
    }
    asio::co_spawn(io_,
                   router_.execute(std::move(command), BufferList(Buffer::own(std::move(data))),
                                   std::make_shared<Ticket>()),
                   [&result](std::exception_ptr failure, ScsiResult done) {
                     CHECK(!failure);
                     result = std::move(done);
                   });
    turn();
    for (MemoryDevice& device : devices_) device.release_one();
    turn();
    for (MemoryDevice& device : devices_) {
      if (disk_fails) device.fail_with(ErrorCode::corrupt);
      device.release();
    }
    turn();
    for (MemoryDevice& device : devices_) device.fail_with(std::nullopt);
    CHECK(result.has_value());
    return *result;
  }

  uint64_t changes_of_disks() const {
    uint64_t changes = 0;
    for (const MemoryDevice& device : devices_) {
      changes += static_cast<uint64_t>(device.calls().writes + device.calls().unmaps);
    }
    return changes;
  }

  void keep_token(const BufferList& answer) {
    const Buffer flat = answer.flatten();
    if (flat.size() < token_.size()) return;
    std::ranges::copy(flat.bytes().last(token_.size()), token_.begin());
  }
  void put_token(Bytes& data) const {
    if (data.size() < kTokenAt + token_.size()) return;
    const auto place = std::span(data).subspan(kTokenAt, token_.size());
    if (text_of(place).starts_with(kTokenHere)) std::ranges::copy(token_, place.begin());
  }

  asio::io_context io_;
  std::array<MemoryDevice, 3> devices_;
  TaskRouter router_;
  NexusId writer_, reader_;
  uint64_t tags_ = 0;
  RodTokenData token_{};
};

void run_commands(std::span<const std::byte> input) {
  log::set_level(log::Level::nothing);
  Disks disks;
  for (size_t commands = 0; commands < kMaximumCommands && input.size() >= kHeader; ++commands) {
    Cdb cdb{};
    std::memcpy(cdb.data(), &input[1], cdb.size());
    const size_t length =
        std::min<size_t>(load_be<uint16_t>(&input[kHeader - 2]), input.size() - kHeader);
    const auto data = input.subspan(kHeader, length);
    disks.run(std::to_integer<uint8_t>(input[0]), cdb, Bytes(data.begin(), data.end()));
    input = input.subspan(kHeader + length);
  }
}

// ---- seeds
// -----------------------------------------------------------------------------------------

void append(Bytes& input, int by, std::initializer_list<int> cdb, const Bytes& data = {}) {
  Bytes command(kHeader);
  command[0] = static_cast<std::byte>(by);
  std::ranges::transform(cdb, &command[1], [](int byte) { return static_cast<std::byte>(byte); });
  store_be(&command[kHeader - 2], static_cast<uint16_t>(data.size()));
  input.insert(input.end(), command.begin(), command.end());
  input.insert(input.end(), data.begin(), data.end());
}

Bytes list_of(std::initializer_list<int> bytes, size_t size = 0) {
  Bytes list(std::max(size, bytes.size()));
  std::ranges::transform(bytes, list.begin(),
                         [](int byte) { return static_cast<std::byte>(byte); });
  return list;
}

Bytes blocks(size_t bytes) {
  return Bytes(bytes, std::byte{0x5a});
}

// A target descriptor of a disk of Disks, by its NAA.
void append_target(Bytes& list, int number, uint32_t block_size) {
  Uuid uuid{};
  uuid.bytes[0] = static_cast<std::byte>(number);
  Bytes target = list_of({0xe4, 0, 0, 0, 1, 3, 0, 16}, 32);
  std::ranges::copy(naa6_of(uuid), &target[8]);
  store_be(&target[28], block_size);
  list.insert(list.end(), target.begin(), target.end());
}

Bytes copies() {
  Bytes input;
  append(input, 0, {0x2a, 0, 0, 0, 0, 0, 0, 0, 8}, blocks(4096));
  Bytes lid1 = list_of({7, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 28}, 16);
  append_target(lid1, 0, 512);
  append_target(lid1, 1, 4096);
  Bytes segment = list_of({2, 0, 0, 24, 0, 0, 0, 1, 0, 0, 0, 8}, 28);
  lid1.insert(lid1.end(), segment.begin(), segment.end());
  append(input, 0, {0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<int>(lid1.size())}, lid1);
  append(input, kToInitiator, {0x84, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0});
  append(input, kToInitiator, {0x84, 4, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0});
  append(input, kToInitiator, {0x84, 5, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 1, 0});
  append(input, kToInitiator, {0x84, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0});
  return input;
}

Bytes tokens() {
  Bytes input;
  append(input, 0, {0x2a, 0, 0, 0, 0, 0, 0, 0, 8}, blocks(4096));
  Bytes populate = list_of({0, 30}, 32);
  populate[15] = std::byte{16};
  populate[27] = std::byte{8};
  append(input, 0, {0x83, 0x10, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 32}, populate);
  append(input, kToInitiator, {0x84, 7, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 2, 0x26});
  Bytes write = list_of({2, 0x26}, 552);
  std::memcpy(&write[kTokenAt], kTokenHere.data(), kTokenHere.size());
  write[535] = std::byte{16};
  write[543] = std::byte{64};
  write[547] = std::byte{8};
  append(input, 0, {0x83, 0x11, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 2, 0x28}, write);
  append(input, 0, {0x83, 0x1c, 0, 0, 0, 8});
  append(input, kToInitiator, {0x28, 0, 0, 0, 0, 64, 0, 0, 8});
  return input;
}

Bytes erasures() {
  Bytes input;
  append(input, 0, {0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8}, blocks(4096));
  append(input, 0, {0x48, 0x82, 0, 0, 0, 0, 0, 0, 0});
  append(input, kToInitiator, {0x03, 0, 0, 0, 252});
  append(input, kDiskFails, {0x48, 0x22});  // AUSE
  append(input, 0, {0x00});
  append(input, kRestart, {0x00});
  append(input, 0, {0x48, 0x1f});
  append(input, 0, {0x04, 0x10}, list_of({0, 2, 0, 0}));
  append(input, 0, {0x04, 0x30}, list_of({0, 0}, 8));
  append(input, 0, {0x04});
  return input;
}

// MODE SELECT of what MODE SENSE shows, then thresholds that are passed.
Bytes thresholds() {
  Bytes input;
  ModeSenseCdb all_pages;
  all_pages.page_code = 0x3f;
  all_pages.subpage_code = 0xff;
  ModeValues values;
  values.saved = values.current;
  values.current.thresholds[kUsedThreshold] = {true, 1};
  values.current.thresholds[kConfiguredThreshold] = {true, 1};
  const Bytes shown =
      std::get<Bytes>(mode_sense_data(all_pages, values, {512, BlockCount(8192), {}}));
  append(input, kToInitiator, {0x1a, 8, 0x3f, 0xff, 255});
  append(input, 0, {0x15, 0x11, 0, 0, static_cast<int>(shown.size())}, shown);
  append(input, 0, {0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 0}, blocks(512));
  append(input, 0, {0x00});
  append(input, kToInitiator, {0x4d, 0, 0x4c, 0, 0, 0, 0, 0, 255});
  append(input, 0, {0x93, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 16, 0}, blocks(512));
  append(input, kToInitiator, {0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255});
  Bytes unmap = list_of({0, 22, 0, 16}, 24);
  unmap[18] = std::byte{4};
  append(input, 0, {0x42, 0, 0, 0, 0, 0, 0, 0, 24}, unmap);
  append(input, kRestart, {0x00});
  append(input, kByReader | kToInitiator, {0x5a, 0, 0xdc, 2, 0, 0, 0, 0, 255});
  return input;
}

Bytes others() {
  Bytes input;
  append(input, 0, {0x89, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, blocks(1024));
  append(input, 0, {0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8}, blocks(4096));
  append(input, 0, {0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8}, blocks(4096));
  append(input, 0, {0x2e, 2, 0, 0, 0, 0, 0, 0, 8}, blocks(4096));
  append(input, 0, {0x8f, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8}, blocks(512));
  append(input, 0, {0xa4, 6, 0, 0, 0, 0, 0, 0, 0, 6, 0}, blocks(6));
  append(input, kToInitiator, {0xa3, 5, 0, 0, 0, 0, 0, 0, 1, 0, 0});
  append(input, kToInitiator, {0xa3, 0x0c, 0x80, 0, 0, 0, 0, 0, 8, 0});
  append(input, kToInitiator, {0xa3, 0x0d, 0x80, 0, 0, 0, 0, 0, 0, 64});
  append(input, kToInitiator, {0xa3, 0x2a, 0, 0, 0, 0, 0, 0, 0, 64});
  append(input, 0, {0x3b, 0x0a, 0, 0, 0, 0, 0, 0, 8}, blocks(8));
  append(input, kToInitiator, {0x3c, 0x0a, 0, 0, 0, 0, 0, 0, 8});
  append(input, 2 << kLunShift, {0x1b, 0, 0, 0, 2});
  append(input, 2 << kLunShift, {0x1e, 0, 0, 0, 1});
  Bytes key(24);
  key[15] = key[20] = std::byte{1};
  append(input, 0, {0x5f, 0, 0, 0, 0, 0, 0, 0, 24}, key);
  append(input, kRestart | kToInitiator, {0x5e, 3, 0, 0, 0, 0, 0, 1, 0});
  append(input, kToInitiator | 3 << kLunShift, {0x12, 1, 0x83, 0, 255});
  append(input, kToInitiator, {0xa0, 0, 2, 0, 0, 0, 0, 0, 0, 64});
  append(input, kToInitiator, {0x1c, 1, 0, 0, 64});
  append(input, 0, {0x1d, 4});
  return input;
}

std::vector<Bytes> commands_seeds() {
  return {copies(), tokens(), erasures(), thresholds(), others()};
}

}  // namespace

const Target kCommands{"commands", &run_commands, &commands_seeds};

}  // namespace swiftness::fuzz
