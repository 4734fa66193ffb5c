// REPORT and SET IDENTIFYING INFORMATION.
#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

constexpr int kPeripheral = 0, kText = 2, kSupported = 0x7f;

class IdentifyingInformation : public ScsiTest {
 protected:
  IdentifyingInformation() { device_.keep_metadata(); }
  std::string set(int type, std::string_view text, std::optional<NexusId> nexus = {}) {
    const int size = static_cast<int>(text.size());
    return sense_of(cdb({0xa4, 0x06, 0, 0, 0, 0, 0, 0, size >> 8, size & 0xff, type << 1}),
                    Buffer::copy_of(text), nexus);
  }
  std::string report(int type, int most = 600) {
    return hex(
        send(cdb({0xa3, 0x05, 0, 0, 0, 0, 0, 0, most >> 8, most & 0xff, type << 1})).data_in);
  }
};

TEST_F(IdentifyingInformation, IsTheVolumesAndOutlivesARestart) {
  start();
  EXPECT_EQ(report(kPeripheral), "00000000");
  EXPECT_EQ(set(kPeripheral, "rack 7"), kGood);
  EXPECT_EQ(set(kText, std::string("db\0", 3)), kGood);
  restart();
  nexus_ = log_in();
  EXPECT_EQ(report(kPeripheral), squeezed("0000 0006 7261636b2037"));
  EXPECT_EQ(report(kText), squeezed("0000 0003 646200"));
  EXPECT_EQ(report(kText, 5), squeezed("0000 0003 64"));
  EXPECT_EQ(set(kText, ""), kGood);
  EXPECT_EQ(report(kText), "00000000");
}

TEST_F(IdentifyingInformation, SaysWhichTypesThereAre) {
  start();
  EXPECT_EQ(report(kSupported), squeezed("0000 0008 00 00 0200 04 00 0100"));
  EXPECT_EQ(sense_of(cdb({0xa3, 0x05, 0, 0, 0, 0, 0, 0, 0, 16, 0x02})), "05/24/00");
  EXPECT_EQ(set(1, "x"), "05/24/00");
  EXPECT_EQ(set(kSupported, "x"), "05/24/00");
}

TEST_F(IdentifyingInformation, HasLimitsAndTextEndsWithANull) {
  start();
  EXPECT_EQ(set(kPeripheral, std::string(512, 'x')), kGood);
  EXPECT_EQ(set(kPeripheral, std::string(513, 'x')), "05/24/00");
  EXPECT_EQ(set(kText, std::string(256, '\0')), kGood);
  EXPECT_EQ(set(kText, std::string(257, '\0')), "05/24/00");
  EXPECT_EQ(set(kText, "open"), "05/26/00");
  EXPECT_EQ(report(kPeripheral).size(), 2u * (4 + 512));
}

TEST_F(IdentifyingInformation, TheOthersAreTold) {
  start();
  NexusId other = log_in();
  EXPECT_EQ(set(kPeripheral, "x"), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), "06/3f/05");
}

TEST_F(IdentifyingInformation, WhatIsNotStoredIsNotSaid) {
  start();
  device_.fail_with(ErrorCode::unavailable);
  EXPECT_EQ(set(kPeripheral, "x"), kBusy);
  EXPECT_EQ(sense_of(cdb({0xa3, 0x05, 0, 0, 0, 0, 0, 0, 0, 16})), kBusy);
  device_.fail_with(std::nullopt);
  EXPECT_EQ(report(kPeripheral), "00000000");
}

using WithoutMetadata = ScsiTest;

TEST_F(WithoutMetadata, ThereIsNoSuchCommand) {
  start();
  EXPECT_EQ(sense_of(cdb({0xa3, 0x05, 0, 0, 0, 0, 0, 0, 0, 16})), "05/24/00");
  EXPECT_EQ(sense_of(cdb({0xa4, 0x06})), "05/24/00");
}

}  // namespace
}  // namespace swiftness::scsi::test
