#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

class FormatUnit : public ScsiTest {
 protected:
  static BufferList list(std::initializer_list<int> bytes) {
    Bytes out;
    for (int byte : bytes) out.push_back(static_cast<std::byte>(byte));
    return Buffer::own(std::move(out));
  }
  static BufferList immed() { return list({0, 0x02, 0, 0}); }
};

const Cdb kFormat = cdb({0x04});
const Cdb kFormatWithList = cdb({0x04, 0x10});
const Cdb kFormatWithLongList = cdb({0x04, 0x30});
const Cdb kRequestSense = cdb({0x03, 0, 0, 0, 252});

TEST_F(FormatUnit, UnmapsEverythingForGood) {
  start();
  for (const auto& [cdb, parameters] :
       {std::pair{kFormat, BufferList()}, std::pair{kFormatWithList, list({0, 0, 0, 0})},
        std::pair{kFormatWithLongList, list({0, 0, 0, 0, 0, 0, 0, 0})}}) {
    send(kWrite, pattern(512, 1));
    const int flushes = device_.calls().flushes;
    EXPECT_EQ(sense_of(cdb, parameters), kGood);
    EXPECT_EQ(device_.written_blocks(), 0u);
    EXPECT_EQ(device_.calls().flushes, flushes + 1);
  }
}

TEST_F(FormatUnit, WithImmedTellsHowFarItIs) {
  start();
  send(kWrite, pattern(512, 1));
  device_.hang();
  EXPECT_EQ(sense_of(kFormatWithList, immed()), kGood);
  EXPECT_EQ(hex(send(kTestUnitReady).sense),
            squeezed("70 00 02 00000000 0a 00000000 0404 00 800000"));
  EXPECT_EQ(hex(send(kRequestSense).data_in),
            squeezed("70 00 02 00000000 0a 00000000 0404 00 800000"));
  EXPECT_EQ(sense_of(kInquiry), kGood);
  EXPECT_EQ(sense_of(kFormat), "02/04/04") << "one at a time";
  device_.release_one();
  turn();
  EXPECT_EQ(hex(send(kRequestSense).data_in),
            squeezed("70 00 02 00000000 0a 00000000 0404 00 808000"));
  EXPECT_EQ(hex(send(cdb({0x03, 1, 0, 0, 252})).data_in),
            squeezed("72 02 04 04 000000 08  02 06 0000 808000 00"));
  device_.release();
  turn();
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  EXPECT_EQ(device_.written_blocks(), 0u);
}

TEST_F(FormatUnit, WaitsForWritesThatCameBefore) {
  start();
  device_.hang();
  auto writing = begin(kWrite, pattern(512, 1));
  auto formatting = begin(kFormat);
  EXPECT_EQ(device_.calls().unmaps, 0);
  device_.release();
  turn();
  ASSERT_TRUE(writing->done() && formatting->done());
  EXPECT_EQ(formatting->result->status, Status::good);
  EXPECT_EQ(device_.written_blocks(), 0u);
}

TEST_F(FormatUnit, AFailureLeavesTheUnitReady) {
  start();
  device_.fail_with(ErrorCode::unavailable);
  EXPECT_EQ(sense_of(kFormat), kBusy);
  EXPECT_EQ(sense_of(kFormatWithList, immed()), kGood);
  device_.fail_with(std::nullopt);
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
}

TEST_F(FormatUnit, RefusesProtectionPatternsAndDefects) {
  start();
  send(kWrite, pattern(512, 1));
  EXPECT_EQ(sense_of(cdb({0x04, 0x40})), "05/24/00");
  EXPECT_EQ(sense_of(cdb({0x04, 0x11}), list({0, 0, 0, 0})), "05/24/00");
  EXPECT_EQ(sense_of(kFormatWithList, list({1, 0, 0, 0})), "05/26/00");
  EXPECT_EQ(sense_of(kFormatWithList, list({0, 0x08, 0, 0})), "05/26/00");
  EXPECT_EQ(sense_of(kFormatWithList, list({0, 0, 0, 8})), "05/26/00");
  EXPECT_EQ(sense_of(kFormatWithLongList, list({0, 0, 0, 0, 0, 0, 0, 8})), "05/26/00");
  EXPECT_EQ(sense_of(kFormatWithList, list({0, 0})), "05/0e/03");
  EXPECT_EQ(device_.written_blocks(), 1u);
}

}  // namespace
}  // namespace swiftness::scsi::test
