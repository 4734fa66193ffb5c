// A quota and soft thresholds as initiators see them (SBC-4 4.7.3).
#include "backend/base/endian.h"
#include "target/scsi/mode_pages.h"
#include "target/scsi/soft_thresholds.h"
#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr int kBlocksOfMiB = 2048;
constexpr const char* kNoRoom = "07/27/07";
constexpr const char* kThreshold = "06/38/07";

Cdb write10(int lba, int blocks) {
  return cdb({0x2a, 0, lba >> 24, lba >> 16 & 0xff, lba >> 8 & 0xff, lba & 0xff, 0, blocks >> 8,
              blocks & 0xff, 0});
}
Cdb write_same16(int lba, int blocks) {
  return cdb({0x93, 0, 0, 0, 0, 0, lba >> 24, lba >> 16 & 0xff, lba >> 8 & 0xff, lba & 0xff, 0, 0,
              blocks >> 8, blocks & 0xff, 0, 0});
}

class ThinProvisioning : public ScsiTest {
 protected:
  ThinProvisioning() {
    device_.resize(64 * kBlocksOfMiB);
    device_.report_holes();
  }

  std::string write(int lba, int blocks, std::optional<NexusId> nexus = {}) {
    return sense_of(write10(lba, blocks), pattern(static_cast<size_t>(blocks) * 512, lba), nexus);
  }
  std::string write_mib(int mib) { return write(mib * kBlocksOfMiB, kBlocksOfMiB); }
  std::string unmap(int lba, int blocks) {
    Bytes bytes(24);
    store_be(&bytes[0], uint16_t{22});
    store_be(&bytes[2], uint16_t{16});
    store_be(&bytes[8], static_cast<uint64_t>(lba));
    store_be(&bytes[16], static_cast<uint32_t>(blocks));
    return sense_of(cdb({0x42, 0, 0, 0, 0, 0, 0, 0, 24}), Buffer::own(std::move(bytes)));
  }
  std::string tell(std::optional<NexusId> nexus = {}) {
    return sense_of(kTestUnitReady, {}, nexus);
  }
  std::string provisioning_page(int control = 0) {
    return hex(send(cdb({0x1a, 0x08, control << 6 | 0x1c, 0x02, 255})).data_in).substr(8);
  }
  // Both thresholds an initiator has; the configured one stays as it is.
  std::string select(SoftThreshold available, SoftThreshold used, int flags = 0x10) {
    Bytes list(4 + 40);
    list[4] = std::byte{0x5c};
    list[5] = std::byte{0x02};
    store_be(&list[6], uint16_t{36});
    list[20] = std::byte{static_cast<uint8_t>(available.enabled ? 0x80 : 0)};
    list[21] = std::byte{0x01};
    store_be(&list[24], available.count);
    list[28] = std::byte{static_cast<uint8_t>(used.enabled ? 0x81 : 0x01)};
    list[29] = std::byte{0x02};
    store_be(&list[32], used.count);
    list[36] = std::byte{0x01};
    list[37] = std::byte{0x02};
    return sense_of(cdb({0x15, flags, 0, 0, 44}), Buffer::own(std::move(list)));
  }
};

// ---- the quota
// -----------------------------------------------------------------------------------

TEST_F(ThinProvisioning, EveryCommandThatMapsIsRefusedBeyondTheQuota) {
  device_.set_quota(8 * 512);
  start();
  ASSERT_EQ(write(0, 8), kGood);
  EXPECT_EQ(write(4, 8), kNoRoom);
  EXPECT_EQ(sense_of(write_same16(100, 4), pattern(512, 1)), kNoRoom);
  EXPECT_EQ(sense_of(cdb({0x89, 0, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 1}),
                     BufferList(Buffer::own(Bytes(1024)))),
            kNoRoom)
      << "COMPARE AND WRITE";
  EXPECT_EQ(sense_of(cdb({0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 1}), pattern(512, 1)),
            kNoRoom)
      << "ORWRITE";
  EXPECT_EQ(sense_of(cdb({0x9c, 0, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 1}), pattern(512, 1)),
            kNoRoom)
      << "WRITE ATOMIC";
  EXPECT_EQ(sense_of(cdb({0x2e, 0, 0, 0, 0, 100, 0, 0, 1}), pattern(512, 1)), kNoRoom)
      << "WRITE AND VERIFY";
  EXPECT_EQ(device_.written_blocks(), 8u);
  EXPECT_EQ(write(0, 8), kGood) << "nothing new";
  EXPECT_EQ(sense_of(write_same16(0, 8), pattern(512, 1)), kGood);
  EXPECT_EQ(sense_of(write_same16(100, 4), BufferList(Buffer::zeros(512))), kGood)
      << "zeros map nothing";
}

TEST_F(ThinProvisioning, AWriteSameOfManyPiecesWritesNoneWithoutRoomForAll) {
  device_.set_quota(3 * kMiB);
  start();
  EXPECT_EQ(sense_of(write_same16(0, 4 * kBlocksOfMiB), pattern(512, 1)), kNoRoom);
  EXPECT_EQ(device_.written_blocks(), 0u);
}

TEST_F(ThinProvisioning, TheLogPageCountsWithTheQuota) {
  auto counts = [this] { return hex(send(cdb({0x4d, 0, 0x4c, 0, 0, 0, 0, 1, 0})).data_in); };
  device_.set_quota(10 * kMiB);
  start();
  write_mib(0);
  write(kBlocksOfMiB, 1);
  EXPECT_EQ(counts(), squeezed("8c 00 0018 0001 03 08 00000008 01 000000"
                               "0002 03 08 00000002 01 000000"));
  device_.set_quota(kMiB);
  EXPECT_EQ(counts().substr(16, 8), "00000000");
}

// ---- the mode page
// -------------------------------------------------------------------------------

TEST_F(ThinProvisioning, TheModePageHasTwoThresholdsOfInitiatorsAndOneOfTheConfiguration) {
  start({.soft_threshold = ByteCount(9 * kMiB)});
  EXPECT_EQ(provisioning_page(), squeezed("5c02 0024 00 0000000000000000000000"
                                          "00 01 0000 00000000 01 02 0000 00000000"
                                          "81 02 0000 00000009"));
  EXPECT_EQ(provisioning_page(1), squeezed("5c02 0024 00 0000000000000000000000"
                                           "80 00 0000 ffffffff 80 00 0000 ffffffff"
                                           "00 00 0000 00000000"));
  EXPECT_EQ(sense_of(cdb({0x1a, 0x08, 0x1c, 0, 255})), "05/24/00") << "subpage 00h";
  EXPECT_EQ(hex(send(cdb({0x1a, 0x08, 0x1c, 0xff, 255})).data_in).substr(8), provisioning_page());
  EXPECT_EQ(select({true, 1}, {true, 2}), "05/26/00") << "the configured one was left out";
}

TEST_F(ThinProvisioning, ThresholdsAreSelectedAndSaved) {
  device_.keep_metadata();
  start();
  const NexusId other = log_in();
  EXPECT_EQ(select({true, 3}, {false, 7}, 0x11), kGood);
  EXPECT_EQ(tell(other), "06/2a/01");
  const std::string selected = squeezed(
      "dc02 0024 00 0000000000000000000000"
      "80 01 0000 00000003 01 02 0000 00000007"
      "01 02 0000 00000000");
  EXPECT_EQ(provisioning_page(), selected);
  EXPECT_EQ(provisioning_page(3), selected) << "saved values";
  restart();
  nexus_ = log_in();
  EXPECT_EQ(provisioning_page(), selected);
}

// ---- thresholds that are passed
// ------------------------------------------------------------------

TEST_F(ThinProvisioning, EveryNexusIsToldOnceThatMoreIsUsed) {
  start();
  const NexusId other = log_in();
  ASSERT_EQ(select({}, {true, 2}), kGood);
  EXPECT_EQ(tell(other), "06/2a/01");
  ASSERT_EQ(write_mib(0), kGood);
  ASSERT_EQ(write_mib(1), kGood);
  EXPECT_EQ(tell(), kGood) << "in the midst of the range";
  ASSERT_EQ(write(2 * kBlocksOfMiB, kBlocksOfMiB / 2), kGood);
  const ScsiResult told = send(kTestUnitReady);
  EXPECT_EQ(sense_code(told.sense), kThreshold);
  EXPECT_EQ(hex(told.sense).substr(0, 14), "f0000600000018") << "the second descriptor";
  EXPECT_EQ(tell(other), kThreshold);
  ASSERT_EQ(write_mib(3), kGood);
  EXPECT_EQ(unmap(kBlocksOfMiB, kBlocksOfMiB), kGood);  // still in the range
  ASSERT_EQ(write_mib(1), kGood);
  EXPECT_EQ(tell(), kGood) << "once";
  EXPECT_EQ(tell(other), kGood);

  EXPECT_EQ(unmap(0, 4 * kBlocksOfMiB), kGood);
  EXPECT_EQ(tell(), kGood);
  for (int mib = 0; mib < 3; ++mib) EXPECT_EQ(write_mib(mib), kGood);
  EXPECT_EQ(tell(), kThreshold) << "again, for it had been below";
  EXPECT_EQ(tell(other), kThreshold);
}

TEST_F(ThinProvisioning, AndThatLessIsAvailable) {
  device_.set_quota(4 * kMiB);
  start();
  ASSERT_EQ(select({true, 2}, {}), kGood);
  ASSERT_EQ(write_mib(0), kGood);
  ASSERT_EQ(write_mib(1), kGood);
  EXPECT_EQ(tell(), kGood);
  ASSERT_EQ(write_mib(2), kGood);
  const ScsiResult told = send(kTestUnitReady);
  EXPECT_EQ(sense_code(told.sense), kThreshold);
  EXPECT_EQ(hex(told.sense).substr(0, 14), "f0000600000010") << "the first descriptor";
}

TEST_F(ThinProvisioning, WithoutLbpereNothingIsTold) {
  start({.soft_threshold = ByteCount(kMiB)});
  Bytes list(16);
  list[4] = std::byte{0x01};
  list[5] = std::byte{0x0a};
  ASSERT_EQ(sense_of(cdb({0x15, 0x10, 0, 0, 16}), Buffer::own(std::move(list))), kGood);
  ASSERT_EQ(write_mib(0), kGood);
  ASSERT_EQ(write_mib(1), kGood);
  EXPECT_EQ(tell(), kGood);
}

TEST_F(ThinProvisioning, AnotherConfiguredThresholdIsAnotherModeParameter) {
  device_.keep_metadata();
  start({.soft_threshold = ByteCount(9 * kMiB)});
  ASSERT_EQ(write_mib(0), kGood);
  unit_->set_soft_threshold(ByteCount(kMiB / 2));
  EXPECT_EQ(tell(), "06/2a/01");
  EXPECT_EQ(tell(), kThreshold) << "it is passed already";
  unit_->set_soft_threshold(ByteCount(kMiB / 2));
  EXPECT_EQ(tell(), kGood) << "the same";
  router_.reset(lun_to_field(0), nexus_);
  EXPECT_EQ(tell(), "06/29/03");
  EXPECT_EQ(provisioning_page().substr(64), squeezed("81 02 0000 00000000"));
  unit_->set_soft_threshold(std::nullopt);
  EXPECT_EQ(tell(), "06/2a/01");
  EXPECT_EQ(provisioning_page().substr(64), squeezed("01 02 0000 00000000"));
}

// ---- all of it
// -----------------------------------------------------------------------------------

TEST_F(ThinProvisioning, FromTheThresholdToTheEndAndBack) {
  device_.set_quota(4 * kMiB);
  start({.soft_threshold = ByteCount(2 * kMiB)});
  const NexusId other = log_in();
  for (int mib = 0; mib < 3; ++mib) ASSERT_EQ(write_mib(mib), kGood);
  EXPECT_EQ(write_mib(3), kThreshold);
  EXPECT_EQ(tell(other), kThreshold);
  EXPECT_EQ(write_mib(3), kGood) << "a soft one";
  EXPECT_EQ(write(4 * kBlocksOfMiB, 1), kNoRoom);
  EXPECT_EQ(write(4 * kBlocksOfMiB, 1, other), kNoRoom);
  EXPECT_EQ(write_mib(2), kGood);
  EXPECT_EQ(unmap(0, 1), kGood);
  EXPECT_EQ(write(4 * kBlocksOfMiB, 1), kGood);
  EXPECT_EQ(write(0, 1), kNoRoom);
  device_.set_quota(8 * kMiB);
  unit_->set_soft_threshold(ByteCount(6 * kMiB));
  EXPECT_EQ(tell(), "06/2a/01");
  EXPECT_EQ(write(0, 1), kGood);
}

// ---- pure
// ----------------------------------------------------------------------------------------

TEST(SoftThresholds, ArePassedAtOneEndOfTheirRangeAndArmedAtTheOther) {
  const Geometry geometry{512, BlockCount(64 * kBlocksOfMiB), {}};
  ModeParameters mode;
  mode.thresholds[kUsedThreshold] = {true, 4};
  SoftThresholds thresholds;
  auto passed = [&](uint64_t halves) {
    Usage usage;
    usage.capacity = ByteCount(64 * kMiB);
    usage.mapped = ByteCount(halves * kMiB / 2);
    return thresholds.look(mode, usage, geometry);
  };
  EXPECT_EQ(passed(8), std::nullopt);
  EXPECT_EQ(passed(9), kUsedThreshold);
  EXPECT_EQ(passed(7), std::nullopt);
  EXPECT_EQ(passed(9), std::nullopt);
  EXPECT_EQ(passed(6), std::nullopt);
  EXPECT_EQ(passed(9), kUsedThreshold);
  mode.thresholds[kAvailableThreshold] = {true, 60};
  EXPECT_EQ(passed(8), std::nullopt);
  EXPECT_EQ(passed(9), kAvailableThreshold);
}

}  // namespace
}  // namespace swiftness::scsi::test
