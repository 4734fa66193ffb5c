// The vocabulary of the copy offload tests: a target with four logical units, and its commands.
//   LUN 0  the fixture's disk, 1 MiB     LUN 1  16 MiB     LUN 2  16 MiB of 4 KiB blocks
//   LUN 3  16 MiB that is read-only
#pragma once

#include <string>
#include <vector>

#include "backend/base/endian.h"
#include "target/scsi/copy_parameters.h"
#include "tests/scsi/fixture.h"
#include "tests/support/copy_lists.h"

namespace swiftness::scsi::test {

inline Uuid uuid_of(int number) {
  Uuid uuid{};
  uuid.bytes[0] = static_cast<std::byte>(number);
  return uuid;
}

inline Geometry geometry_of(int number, uint64_t bytes, uint32_t block_size = 512) {
  return {block_size, BlockCount(bytes / block_size), uuid_of(number)};
}

inline Bytes target_descriptor(const Uuid& uuid, uint32_t block_size = 512) {
  const Naa6 naa = naa6_of(uuid);
  return swiftness::target_descriptor(naa, block_size);
}

inline Cdb copy_out(int action, size_t length, uint32_t list_identifier = 0) {
  Cdb out = cdb({0x83, action});
  auto* bytes = reinterpret_cast<std::byte*>(out.data());
  store_be(bytes + (action == 0x1c ? 2 : 6), list_identifier);
  if (action != 0x1c) store_be(bytes + 10, static_cast<uint32_t>(length));
  return out;
}

inline Cdb copy_in(int action, uint32_t list_identifier = 0) {
  Cdb out = cdb({0x84, action});
  auto* bytes = reinterpret_cast<std::byte*>(out.data());
  if (action == 5 || action == 7) {
    store_be(bytes + 2, list_identifier);
  } else {
    out[2] = static_cast<uint8_t>(list_identifier);
  }
  store_be(bytes + 10, uint32_t{4096});
  return out;
}

class CopyTest : public ScsiTest {
 protected:
  static constexpr uint64_t kMebibyte = 1 << 20;

  CopyTest()
      : other_(io_.get_executor(), geometry_of(1, 16 * kMebibyte)),
        large_blocks_(io_.get_executor(), geometry_of(2, 16 * kMebibyte, 4096)),
        read_only_(io_.get_executor(), geometry_of(3, 16 * kMebibyte)) {}

  ~CopyTest() override {  // the devices outlive the logical units
    std::destroy_at(&router_);
    std::construct_at(&router_);
  }

  void start_all(NexusOptions nexus = {}) {
    for (MemoryDevice* device : {&device_, &other_, &large_blocks_, &read_only_}) {
      device->report_holes();
    }
    start({}, std::move(nexus));
    units_[1] = add(1, other_);
    units_[2] = add(2, large_blocks_);
    units_[3] = add(3, read_only_, {.read_only = true});
    nexus_ = log_in_everywhere();
  }

  NexusId log_in_everywhere(NexusOptions options = {}) {
    const NexusId nexus = router_.attach(std::move(options));
    for (uint16_t lun = 0; lun < 4; ++lun) {
      for (int i = 0; i < 4; ++i) send(kTestUnitReady, {}, nexus, lun);
    }
    return nexus;
  }

  // Fills blocks of a device with a pattern of their own.
  void fill(MemoryDevice& device, uint64_t lba, uint64_t blocks, int seed) {
    const uint32_t size = device.geometry().block_size;
    for (uint64_t i = 0; i < blocks; ++i) {
      const uint16_t lun = &device == &device_ ? 0 : &device == &other_ ? 1 : 2;
      Cdb write = cdb({0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
      store_be(reinterpret_cast<std::byte*>(write.data()) + 2, lba + i);
      const Buffer data = pattern(size, seed + static_cast<int>(i % 251));
      ASSERT_EQ(send(write, BufferList(data), nexus_, lun).status, Status::good);
    }
  }

  ScsiResult extended_copy(const Bytes& list, uint16_t lun = 0, std::optional<NexusId> nexus = {}) {
    return send(copy_out(0, list.size()), BufferList(Buffer::copy_of(list)), nexus, lun);
  }
  // "copy_aborted" and so on, or "status N".
  std::string outcome(const ScsiResult& result) {
    if (result.status == Status::check_condition) return sense_code(result.sense);
    return "status " + std::to_string(static_cast<int>(result.status));
  }

  Bytes received(int action, uint32_t list_identifier, uint16_t lun = 0) {
    const ScsiResult result = send(copy_in(action, list_identifier), {}, nexus_, lun);
    const Buffer flat = result.data_in.flatten();
    return {flat.bytes().begin(), flat.bytes().end()};
  }

  // POPULATE TOKEN and RECEIVE ROD TOKEN INFORMATION.
  RodTokenData populate(uint16_t lun, const std::vector<Range>& ranges, uint32_t timeout_s = 0) {
    const Bytes list = populate_list(ranges, timeout_s);
    const ScsiResult result =
        send(copy_out(0x10, list.size(), 77), BufferList(Buffer::copy_of(list)), nexus_, lun);
    EXPECT_EQ(outcome(result), kGood);
    const Bytes information = received(7, 77, lun);
    RodTokenData token{};
    EXPECT_EQ(information.size(), 32u + 4 + 2 + 512);
    if (information.size() < 550) return token;
    std::copy_n(information.begin() + 38, 512, token.begin());
    return token;
  }

  std::string write_using(const RodTokenData& token, uint16_t lun, const std::vector<Range>& ranges,
                          uint64_t offset = 0, int flags = 0, std::optional<NexusId> nexus = {}) {
    const Bytes list = write_using_list(token, ranges, offset, flags);
    return outcome(
        send(copy_out(0x11, list.size(), 78), BufferList(Buffer::copy_of(list)), nexus, lun));
  }

  // Of the last WRITE USING TOKEN of this logical unit.
  uint64_t transfer_count(uint16_t lun) {
    const Bytes information = received(7, 78, lun);
    return information.size() < 36 ? 0 : load_be<uint64_t>(&information[16]);
  }
  int copy_status(uint16_t lun) {
    const Bytes information = received(7, 78, lun);
    return information.size() < 36 ? -1 : std::to_integer<int>(information[5]);
  }

  MemoryDevice other_;
  MemoryDevice large_blocks_;
  MemoryDevice read_only_;
  LogicalUnit* units_[4] = {};

 private:
  LogicalUnit* add(uint16_t lun, MemoryDevice& device, LogicalUnitOptions options = {}) {
    auto unit = std::make_unique<LogicalUnit>(device, std::move(options));
    LogicalUnit* const raw = unit.get();
    router_.add(lun, std::move(unit));
    return raw;
  }
};

}  // namespace swiftness::scsi::test
