// READ CAPACITY and MODE SENSE: what the disk says about its size and its cache.
#include "target/scsi/capacity.h"
#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

class ReadCapacity : public ScsiTest {};

Cdb read_capacity16(int allocation_length) {
  return cdb({0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, allocation_length});
}

TEST_F(ReadCapacity, TenReportsTheLastBlockAndTheBlockLength) {
  start();
  EXPECT_EQ(hex(send(cdb({0x25})).data_in),
            "000007ff"
            "00000200");
}

TEST_F(ReadCapacity, TenPointsToSixteenWhenTheDiskIsTooLarge) {
  device_.resize((uint64_t{1} << 32) + 1);
  start();
  EXPECT_EQ(hex(send(cdb({0x25})).data_in),
            "ffffffff"
            "00000200");
  EXPECT_EQ(hex(send(read_capacity16(12)).data_in),
            "0000000100000000"
            "00000200");
}

TEST_F(ReadCapacity, SixteenReportsProvisioningAndPhysicalBlocks) {
  start();
  EXPECT_EQ(hex(send(read_capacity16(32)).data_in),
            squeezed("00000000000007ff 00000200 00 03 c000 00000000000000000000000000000000"));
}

Cdb get_lba_status(int lba, int allocation_length) {
  return cdb({0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, lba, 0, 0, 0, allocation_length});
}

TEST_F(ReadCapacity, LbaStatusDescribesTheRestOfTheDisk) {
  start();
  EXPECT_EQ(hex(send(get_lba_status(0x10, 24)).data_in),
            squeezed("00000014 00000000 0000000000000010 000007f0 00 000000"));
  EXPECT_EQ(send(get_lba_status(0x10, 4)).data_in.size(), 4u) << "cut, never an error";
  Cdb beyond = get_lba_status(0, 24);
  beyond[8] = 8;  // 2048: one behind the last
  EXPECT_EQ(sense_of(beyond), "05/21/00");
}

TEST_F(ReadCapacity, LbaStatusLooksOnWhileNothingIsMapped) {
  MemoryDevice large(io_.get_executor(), 200'000, 4096);  // 65,536 blocks are looked at, at once
  large.report_holes();
  router_.add(1, std::make_unique<LogicalUnit>(large, LogicalUnitOptions{}));
  start();
  const auto status = [this] { return hex(send(get_lba_status(0, 120), {}, {}, 1).data_in); };
  EXPECT_EQ(sense_of(kTestUnitReady, {}, {}, 1), "06/29/00");
  EXPECT_EQ(status(), squeezed("00000014 00000000 0000000000000000 00030d40 01 000000"));
  EXPECT_EQ(sense_of(cdb({0x2a, 0, 0, 0x02, 0x49, 0xf0, 0, 0, 1}), pattern(4096, 1), {}, 1), kGood);
  EXPECT_EQ(status(), squeezed("00000034 00000000 0000000000000000 000249f0 01 000000"
                               "00000000000249f0 00000001 00 000000"
                               "00000000000249f1 0000b60f 01 000000"));
  std::destroy_at(&router_);
  std::construct_at(&router_);
}

TEST(ReadCapacityData, Of4096ByteBlocks) {
  Geometry geometry{4096, BlockCount(256), Uuid{}};
  EXPECT_EQ(hex(read_capacity10_data(geometry)), squeezed("000000ff 00001000"));
  EXPECT_EQ(hex(read_capacity16_data(geometry)),
            squeezed("00000000000000ff 00001000 00 00 c000 00000000000000000000000000000000"));
}

TEST_F(ReadCapacity, SixteenIsCutToAnyAllocationLength) {
  start();
  std::string whole = hex(send(read_capacity16(32)).data_in);
  for (int length = 0; length <= 32; ++length) {
    EXPECT_EQ(hex(send(read_capacity16(length)).data_in),
              whole.substr(0, static_cast<size_t>(length) * 2));
  }
}

// ---- MODE SENSE
// ----------------------------------------------------------------------------------

class ModeSense : public ScsiTest {};

Cdb mode_sense6(int page, int subpage = 0, int dbd = 0, int control = 0) {
  return cdb({0x1a, dbd << 3, control << 6 | page, subpage, 255});
}
Cdb mode_sense10(int page, int flags = 0) {
  return cdb({0x5a, flags, page, 0, 0, 0, 0, 1, 0});
}

constexpr const char* kErrorRecovery = "010a 00 00 00 00 00 80 00 00 0000";
constexpr const char* kProvisioning =
    "5c02 0024 00 0000000000000000000000 00010000 00000000 01020000 00000000 01020000 00000000";
constexpr const char* kCaching = "0812 04 00 0000 0000 0000 0000 00 00 00 00 00000000";
constexpr const char* kControl = "0a0a 00 10 00 00 0000 ffff 0000";

TEST_F(ModeSense, CachingPageWithBlockDescriptor) {
  start();
  EXPECT_EQ(hex(send(mode_sense6(0x08)).data_in),
            squeezed("1f 00 10 08  00000800 00 000200") + squeezed(kCaching));
}

TEST_F(ModeSense, CachingPageTellsTheTruthAboutTheWriteCache) {
  start({.write_cache = false});
  EXPECT_EQ(hex(send(mode_sense6(0x08, 0, 1)).data_in),
            squeezed("17 00 10 00  0812 00 00 0000 0000 0000 0000 00 00 00 00 00000000"));
}

TEST_F(ModeSense, ControlPage) {
  start();
  EXPECT_EQ(hex(send(mode_sense6(0x0a, 0, 1)).data_in),
            squeezed("0f 00 10 00") + squeezed(kControl));
}

TEST_F(ModeSense, AllPagesComeInAscendingOrder) {
  start();
  const std::string pages = squeezed(kErrorRecovery) + squeezed(kCaching) + squeezed(kControl);
  EXPECT_EQ(hex(send(mode_sense6(0x3f, 0x00, 1)).data_in), squeezed("2f 00 10 00") + pages);
  EXPECT_EQ(hex(send(mode_sense6(0x3f, 0xff, 1)).data_in),
            squeezed("57 00 10 00") + pages + squeezed(kProvisioning))
      << "subpages, too";
}

TEST_F(ModeSense, TenHasItsOwnHeader) {
  start();
  EXPECT_EQ(hex(send(mode_sense10(0x0a)).data_in),
            squeezed("001a 00 10 00 00 0008  00000800 00 000200") + squeezed(kControl));
  EXPECT_EQ(hex(send(mode_sense10(0x0a, 0x08)).data_in),
            squeezed("0012 00 10 00 00 0000") + squeezed(kControl));
}

TEST_F(ModeSense, TenHasLongBlockDescriptorsForThoseWhoAcceptThem) {
  device_.resize(uint64_t{1} << 33);
  start();
  EXPECT_EQ(
      hex(send(mode_sense10(0x0a, 0x10)).data_in),
      squeezed("0022 00 10 01 00 0010  0000000200000000 00000000 00000200") + squeezed(kControl));
  EXPECT_EQ(hex(send(mode_sense10(0x0a)).data_in).substr(16, 8), "ffffffff");
}

TEST_F(ModeSense, ChangeableAreWriteCacheSenseFormatAndWriteProtect) {
  start();
  EXPECT_EQ(hex(send(mode_sense6(0x3f, 0, 1, 1)).data_in),
            squeezed("2f 00 10 00  010a 00 00 00 00 00 80 00 00 0000  0812 04") +
                std::string(34, '0') + squeezed("0a0a 04 00 08") + std::string(14, '0'));
}

TEST_F(ModeSense, DefaultsAreTheCurrentValues) {
  start();
  EXPECT_EQ(hex(send(mode_sense6(0x3f, 0, 1, 2)).data_in),
            hex(send(mode_sense6(0x3f, 0, 1)).data_in));
}

TEST_F(ModeSense, ThereAreNoSavedValues) {
  start();
  EXPECT_EQ(sense_of(mode_sense6(0x08, 0, 0, 3)), "05/39/00");
}

TEST_F(ModeSense, RejectsPagesAndSubpagesThatDoNotExist) {
  start();
  EXPECT_EQ(hex(send(mode_sense6(0x03)).sense),
            squeezed("70 00 05 00000000 0a 00000000 2400 00 cd0002"));
  EXPECT_EQ(hex(send(mode_sense6(0x0a, 0x01)).sense),
            squeezed("70 00 05 00000000 0a 00000000 2400 00 c00003"));
}

TEST_F(ModeSense, WriteProtectIsSeenByWhoMayNotWrite) {
  start();
  NexusId reader = log_in({.read_only = true});
  EXPECT_EQ(hex(send(mode_sense6(0x0a), {}, reader).data_in).substr(4, 2), "90");
  EXPECT_EQ(hex(send(mode_sense6(0x0a)).data_in).substr(4, 2), "10");
}

}  // namespace
}  // namespace swiftness::scsi::test
