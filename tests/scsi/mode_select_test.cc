// MODE SELECT(6) and (10), and what the changed parameters do.
#include "target/scsi/mode_pages.h"
#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

constexpr const char* kCacheOn = "0812 04 00 0000 0000 0000 0000 00 00 00 00 00000000";
constexpr const char* kCacheOff = "0812 00 00 0000 0000 0000 0000 00 00 00 00 00000000";
constexpr const char* kPlainControl = "0a0a 00 10 00 00 0000 ffff 0000";
constexpr const char* kDescriptorSense = "0a0a 04 10 00 00 0000 ffff 0000";
constexpr const char* kSoftwareWriteProtect = "0a0a 00 10 08 00 0000 ffff 0000";

Bytes bytes_of(std::string_view text) {
  const std::string digits = squeezed(text);
  Bytes out;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    out.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return out;
}

class ModeSelect : public ScsiTest {
 protected:
  std::string select6(const std::string& list, int flags = 0x10,
                      std::optional<NexusId> nexus = {}) {
    Bytes bytes = bytes_of(list);
    const int size = static_cast<int>(bytes.size());
    return sense_of(cdb({0x15, flags, 0, 0, size}), Buffer::own(std::move(bytes)), nexus);
  }
  std::string select10(const std::string& list) {
    Bytes bytes = bytes_of(list);
    const int size = static_cast<int>(bytes.size());
    return sense_of(cdb({0x55, 0x10, 0, 0, 0, 0, 0, 0, size}), Buffer::own(std::move(bytes)));
  }
  std::string field_pointer(const std::string& list) {
    Bytes bytes = bytes_of(list);
    const int size = static_cast<int>(bytes.size());
    ScsiResult result = send(cdb({0x15, 0x10, 0, 0, size}), Buffer::own(std::move(bytes)));
    EXPECT_EQ(sense_code(result.sense), "05/26/00");
    return hex(result.sense).substr(30, 6);
  }
  std::string page(int code) {
    return hex(send(cdb({0x1a, 0x08, code, 0, 255})).data_in).substr(8);
  }
};

TEST_F(ModeSelect, TurnsTheWriteCacheOffAndOn) {
  start();
  EXPECT_EQ(select6(std::string("00000000") + kCacheOff), kGood);
  EXPECT_EQ(device_.calls().flushes, 1) << "what was in it is on the medium";
  EXPECT_EQ(page(0x08), squeezed(kCacheOff));
  send(kWrite, pattern(512, 0));
  EXPECT_EQ(device_.last_durability(), Durability::flushed);
  EXPECT_EQ(select10(std::string("0000000000000000") + kCacheOn), kGood);
  send(kWrite, pattern(512, 0));
  EXPECT_EQ(device_.last_durability(), Durability::acknowledged);
}

TEST_F(ModeSelect, ACacheThatCannotBeFlushedStaysOn) {
  start();
  device_.fail_with(ErrorCode::unavailable);
  EXPECT_EQ(select6(std::string("00000000") + kCacheOff), kBusy);
  device_.fail_with(std::nullopt);
  EXPECT_EQ(page(0x08), squeezed(kCacheOn));
}

TEST_F(ModeSelect, WritesOnTheirWayAreInTheFlushThatTurnsTheCacheOff) {
  start();
  device_.hang();
  auto written = begin(kWrite, pattern(512, 1));
  Bytes list = bytes_of(std::string("00000000") + kCacheOff);
  auto selected = begin(cdb({0x15, 0x10, 0, 0, 24}), Buffer::own(std::move(list)));
  auto later = begin(kWrite, pattern(512, 2));
  EXPECT_EQ(device_.calls().flushes, 0);
  device_.release_one();
  turn();
  EXPECT_TRUE(written->done());
  EXPECT_EQ(device_.calls().flushes, 1);
  EXPECT_EQ(device_.calls().writes, 1);
  device_.release();
  turn();
  ASSERT_TRUE(selected->done() && later->done());
  EXPECT_EQ(device_.last_durability(), Durability::flushed);
}

TEST_F(ModeSelect, DescriptorSenseIsForEveryCommand) {
  start();
  EXPECT_EQ(select6(std::string("00000000") + kDescriptorSense), kGood);
  const Cdb beyond = cdb({0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1});
  EXPECT_EQ(hex(send(beyond).sense),
            squeezed("72 05 21 00 000000 0c  00 0a 80 00 ffffffffffffffff"));
  device_.fail_with(ErrorCode::corrupt);
  EXPECT_EQ(hex(send(kRead).sense), squeezed("72 03 11 00 00000000"));
  NexusId other = router_.attach({});
  EXPECT_EQ(hex(send(kTestUnitReady, {}, other).sense), squeezed("72 06 29 00 00000000"));
  EXPECT_EQ(hex(send(cdb({0x03, 0, 0, 0, 1})).data_in), "70")
      << "REQUEST SENSE has a bit of its own";
  EXPECT_EQ(select6(std::string("00000000") + kPlainControl), kGood);
  EXPECT_EQ(sense_of(beyond), "05/21/00");
}

TEST_F(ModeSelect, SoftwareWriteProtectIsForEveryNexus) {
  start();
  NexusId other = log_in();
  EXPECT_EQ(select6(std::string("00000000") + kSoftwareWriteProtect), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), "06/2a/01");
  for (NexusId nexus : {nexus_, other}) {
    EXPECT_EQ(sense_of(kWrite, pattern(512, 0), nexus), "07/27/02");
    EXPECT_EQ(sense_of(kRead, {}, nexus), kGood);
  }
  EXPECT_EQ(hex(send(cdb({0x1a, 0x08, 0x0a, 0, 255})).data_in).substr(4, 2), "90") << "WP";
  EXPECT_EQ(select6(std::string("00000000") + kPlainControl), kGood);
  EXPECT_EQ(sense_of(kWrite, pattern(512, 0)), kGood);
}

TEST_F(ModeSelect, OnlyTheOthersAreToldAndOnlyOfAChange) {
  start();
  NexusId other = log_in();
  EXPECT_EQ(select6(std::string("00000000") + kCacheOn + kPlainControl), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady, {}, other), kGood) << "nothing has changed";
  EXPECT_EQ(select6(std::string("00000000") + kCacheOff + kDescriptorSense), kGood);
  EXPECT_EQ(sense_of(kTestUnitReady), kGood);
  EXPECT_EQ(send(kTestUnitReady, {}, other).sense.at(2), std::byte{0x2a});
}

TEST_F(ModeSelect, AResetBringsTheDefaultsBack) {
  start();
  EXPECT_EQ(select6(std::string("00000000") + kCacheOff + kSoftwareWriteProtect), kGood);
  router_.reset(lun_to_field(0), nexus_);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/29/03");
  EXPECT_EQ(page(0x08), squeezed(kCacheOn));
  EXPECT_EQ(sense_of(kWrite, pattern(512, 0)), kGood);
}

TEST_F(ModeSelect, ABlockDescriptorMaySayWhatIsSo) {
  start();
  for (const char* descriptor :
       {"00000800 00 000200", "00000000 00 000200", "ffffffff 00 000200"}) {
    EXPECT_EQ(select6(std::string("00000008") + descriptor + kCacheOn), kGood) << descriptor;
  }
  EXPECT_EQ(
      select10(std::string("00000000 01 00 0010 0000000000000800 00000000 00000200") + kCacheOn),
      kGood);
  EXPECT_EQ(field_pointer("00000008 00000801 00 000200"), "800004");
  EXPECT_EQ(field_pointer("00000008 00000800 00 001000"), "800008");
}

TEST_F(ModeSelect, NamesTheFirstBitThatCannotBeChanged) {
  start();
  EXPECT_EQ(field_pointer("00000000 0812 84 00 0000 0000 0000 0000 00 00 00 00 00000000"), "8f0006")
      << "IC";
  EXPECT_EQ(field_pointer("00000000 0a0a 20 10 00 00 0000 ffff 0000"), "8d0006") << "TST";
  EXPECT_EQ(field_pointer(std::string("00000000") + kCacheOff + "0a0a 00 10 00 00 0000 fffe 0000"),
            "880021");
  EXPECT_EQ(page(0x08), squeezed(kCacheOn)) << "a list is refused as a whole";
  EXPECT_EQ(field_pointer("00000000 0302 0000"), "8d0004") << "no such page";
  EXPECT_EQ(field_pointer("00000000 0a0b 00 10 00 00 0000 ffff 0000 00"), "800005") << "its length";
  EXPECT_EQ(field_pointer("00000000 4a01 0008 0000000000000000"), "8e0004") << "no subpages";
}

TEST_F(ModeSelect, ListsOfEveryOtherLengthAreRefused) {
  start();
  EXPECT_EQ(select6(""), kGood) << "an empty one changes nothing";
  const std::string whole = squeezed(std::string("00000000") + kCacheOff + kDescriptorSense);
  for (size_t bytes = 1; bytes < whole.size() / 2; ++bytes) {
    const bool is_whole = bytes == 4 || bytes == 24;
    EXPECT_EQ(select6(whole.substr(0, 2 * bytes)), is_whole ? kGood : "05/1a/00") << bytes;
    if (bytes == 24) select6(std::string("00000000") + kCacheOn);
  }
}

TEST_F(ModeSelect, OtherFormatsAndSavingAreRefused) {
  start();
  EXPECT_EQ(select6(std::string("00000000") + kCacheOff, 0x00), "05/24/00") << "PF=0";
  EXPECT_EQ(select6(std::string("00000000") + kCacheOff, 0x11), "05/24/00") << "SP=1";
}

// ---- saved parameters -------------------------------------------------------------------------

std::string with_ps(std::string page) {
  page[0] = static_cast<char>(page[0] + 8);  // PS
  return squeezed(page);
}

TEST_F(ModeSelect, SavedPagesSurviveRestartAndReset) {
  device_.keep_metadata();
  start();
  EXPECT_EQ(page(0x08), with_ps(kCacheOn));
  EXPECT_EQ(select6(std::string("00000000") + kCacheOff, 0x11), kGood);
  EXPECT_EQ(select6(std::string("00000000") + kDescriptorSense), kGood) << "for now only";
  EXPECT_EQ(page(0x0a), with_ps(kDescriptorSense));
  EXPECT_EQ(page(0xc8), with_ps(kCacheOff)) << "saved values";
  EXPECT_EQ(page(0xca), with_ps(kPlainControl));
  EXPECT_EQ(page(0x88), with_ps(kCacheOn)) << "defaults";
  router_.reset(lun_to_field(0), nexus_);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/29/03");
  EXPECT_EQ(page(0x08), with_ps(kCacheOff));
  EXPECT_EQ(page(0x0a), with_ps(kPlainControl));

  restart();
  nexus_ = log_in();
  EXPECT_EQ(page(0x08), with_ps(kCacheOff));
  send(kWrite, pattern(512, 0));
  EXPECT_EQ(device_.last_durability(), Durability::flushed);
}

TEST_F(ModeSelect, WhatCannotBeSavedIsNotSetEither) {
  device_.keep_metadata();
  start();
  device_.fail_with(ErrorCode::unavailable);
  EXPECT_EQ(select6(std::string("00000000") + kDescriptorSense, 0x11), kBusy);
  device_.fail_with(std::nullopt);
  EXPECT_EQ(page(0x0a), with_ps(kPlainControl));
}

TEST_F(ModeSelect, AnEmptyListSavesWhatIs) {
  device_.keep_metadata();
  start();
  EXPECT_EQ(select6(std::string("00000000") + kCacheOff), kGood);
  EXPECT_EQ(select6("", 0x11), kGood);
  EXPECT_EQ(page(0xc8), with_ps(kCacheOff));
}

TEST(SavedMode, IsReadBackAsItWas) {
  const ModeParameters defaults{};
  for (int bits = 0; bits < 64; ++bits) {
    auto bit = [bits](int mask) { return (bits & mask) != 0; };
    const ModeParameters mode{
        bit(1), bit(2), bit(4), bit(8), {{{bit(16), 0x01020304}, {bit(32), 0x05060708}, {}}}};
    EXPECT_EQ(decode_mode(encode(mode), defaults), mode);
  }
  EXPECT_EQ(decode_mode({}, defaults), defaults);
  ModeParameters configured;
  configured.thresholds[kConfiguredThreshold] = {true, 9};
  EXPECT_EQ(decode_mode(encode(defaults), configured), configured) << "that one is not saved";
  EXPECT_EQ(decode_mode(bytes_of("0101"), defaults), defaults) << "of an older version";
  for (const char* damaged : {"01", "0207", "0108", "010700", "0240 00000000 00000000", "0301"}) {
    EXPECT_EQ(decode_mode(bytes_of(damaged), defaults), std::nullopt) << damaged;
  }
}

}  // namespace
}  // namespace swiftness::scsi::test
