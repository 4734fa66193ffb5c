#include "target/scsi/cdb.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "target/scsi/command_table.h"
#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

TEST(Cdb, Read6HasA21BitLbaAndNoFlags) {
  BlockAccess access = decode_block_access(cdb({0x08, 0xff, 0x02, 0x03, 4}));
  EXPECT_EQ(access.range.first, Lba(0x1f0203));
  EXPECT_EQ(access.range.count, BlockCount(4));
  EXPECT_EQ(access.protect, 0);
  EXPECT_FALSE(access.fua);
}

TEST(Cdb, Read10) {
  BlockAccess access =
      decode_block_access(cdb({0x28, 0x58, 0xf1, 0x02, 0x03, 0x04, 0, 0x12, 0x34, 0}));
  EXPECT_EQ(access.range.first, Lba(0xf1020304));
  EXPECT_EQ(access.range.count, BlockCount(0x1234));
  EXPECT_EQ(access.protect, 2);
  EXPECT_TRUE(access.dpo);
  EXPECT_TRUE(access.fua);
  EXPECT_EQ(access.length_at, 7);
}

TEST(Cdb, Write12) {
  BlockAccess access =
      decode_block_access(cdb({0xaa, 0x08, 1, 2, 3, 4, 0x81, 0x82, 0x83, 0x84, 0, 0}));
  EXPECT_EQ(access.range.first, Lba(0x01020304));
  EXPECT_EQ(access.range.count, BlockCount(0x81828384));
  EXPECT_TRUE(access.fua);
  EXPECT_EQ(access.length_at, 6);
}

TEST(Cdb, Write16) {
  BlockAccess access = decode_block_access(
      cdb({0x8a, 0x10, 0x81, 2, 3, 4, 5, 6, 7, 8, 0x91, 0x92, 0x93, 0x94, 0, 0}));
  EXPECT_EQ(access.range.first, Lba(0x8102030405060708));
  EXPECT_EQ(access.range.count, BlockCount(0x91929394));
  EXPECT_TRUE(access.dpo);
  EXPECT_FALSE(access.fua);
  EXPECT_EQ(access.length_at, 10);
}

TEST(Cdb, ModeSense) {
  ModeSenseCdb six = decode_mode_sense(cdb({0x1a, 0x18, 0x48, 0xff, 0x20, 0}));
  EXPECT_FALSE(six.ten);
  EXPECT_TRUE(six.disable_block_descriptors);
  EXPECT_FALSE(six.long_lba_accepted) << "only the ten-byte form has it";
  EXPECT_EQ(six.page_control, PageControl::changeable);
  EXPECT_EQ(six.page_code, 0x08);
  EXPECT_EQ(six.subpage_code, 0xff);
  EXPECT_EQ(six.allocation_length, 0x20);
  ModeSenseCdb ten = decode_mode_sense(cdb({0x5a, 0x10, 0xbf, 0, 0, 0, 0, 0x01, 0x02, 0}));
  EXPECT_TRUE(ten.ten);
  EXPECT_TRUE(ten.long_lba_accepted);
  EXPECT_EQ(ten.page_control, PageControl::defaults);
  EXPECT_EQ(ten.page_code, 0x3f);
  EXPECT_EQ(ten.allocation_length, 0x102);
}

TEST(Cdb, StartStopUnit) {
  StartStopUnitCdb stop = decode_start_stop_unit(cdb({0x1b, 0x01, 0, 0, 0x26, 0}));
  EXPECT_TRUE(stop.immed);
  EXPECT_EQ(stop.power_condition, 2);
  EXPECT_TRUE(stop.no_flush);
  EXPECT_TRUE(stop.load_eject);
  EXPECT_FALSE(stop.start);
}

// ---- the command table
// ---------------------------------------------------------------------------

Cdb sample_of(const CommandDescriptor& command) {
  Cdb out{};
  out[0] = command.opcode;
  out[1] = command.service_action.value_or(0);
  return out;
}

TEST(CommandTable, EveryLineIsFoundByItsCdb) {
  for (const CommandDescriptor& command : all_commands()) {
    auto found = find_command(sample_of(command));
    ASSERT_TRUE(std::holds_alternative<const CommandDescriptor*>(found)) << command.name;
    EXPECT_EQ(std::get<const CommandDescriptor*>(found)->name, command.name);
  }
}

TEST(CommandTable, UsageMasksFitTheirCommands) {
  for (const CommandDescriptor& command : all_commands()) {
    EXPECT_EQ(command.usage[0], command.opcode) << command.name;
    EXPECT_EQ(command.usage[command.cdb_length - 1u], 0x04) << command.name << ": NACA";
    for (size_t i = command.cdb_length; i < command.usage.size(); ++i) {
      EXPECT_EQ(command.usage[i], 0) << command.name << " byte " << i;
    }
    int group = command.opcode >> 5;
    int length = group == 0 ? 6 : group == 4 ? 16 : group == 5 ? 12 : 10;
    EXPECT_EQ(command.cdb_length, length) << command.name;
  }
}

TEST(CommandTable, RejectsNacaInTheControlByteOfEachCommand) {
  for (const CommandDescriptor& command : all_commands()) {
    Cdb naca = sample_of(command);
    naca[command.cdb_length - 1u] = 0x04;
    auto found = find_command(naca);
    ASSERT_TRUE(std::holds_alternative<Sense>(found)) << command.name;
    const Sense& sense = std::get<Sense>(found);
    EXPECT_EQ(sense.additional, asc::kInvalidFieldInCdb);
    EXPECT_EQ(sense.field->byte, command.cdb_length - 1);
    EXPECT_EQ(sense.field->bit, 2);
  }
}

TEST(CommandTable, KnowsNoOtherOperationCodes) {
  std::set<int> known;
  for (const CommandDescriptor& command : all_commands()) known.insert(command.opcode);
  for (int code = 0; code < 256; ++code) {
    if (known.contains(code)) continue;
    auto found = find_command(cdb({code}));
    ASSERT_TRUE(std::holds_alternative<Sense>(found)) << code;
    EXPECT_EQ(std::get<Sense>(found).additional, asc::kInvalidOperationCode) << code;
  }
}

TEST(CommandTable, AnUnknownServiceActionIsAnInvalidField) {
  auto found = find_command(cdb({0x9e, 0x13}));  // GET STREAM STATUS
  ASSERT_TRUE(std::holds_alternative<Sense>(found));
  EXPECT_EQ(hex(encode(std::get<Sense>(found), SenseFormat::fixed)),
            squeezed("70 00 05 00000000 0a 00000000 2400 00 cc0001"));
}

// ---- whatever an initiator sends
// -----------------------------------------------------------------

class AnyCdb : public ScsiTest {};

TEST_F(AnyCdb, GetsAnAnswerAndNeverReachesTheDeviceOutOfRange) {
  start();
  std::mt19937 random(20);
  std::uniform_int_distribution<int> byte(0, 255);
  auto commands = all_commands();
  for (int round = 0; round < 4000; ++round) {
    Cdb sent{};
    for (uint8_t& b : sent) b = static_cast<uint8_t>(byte(random) & (round % 2 ? 0xff : 0x09));
    if (round % 4 != 0) {
      sent[0] = commands[static_cast<size_t>(byte(random)) % commands.size()].opcode;
    }
    size_t size = round % 3 == 0 ? 0 : static_cast<size_t>(byte(random)) * 64;
    send(sent, pattern(size, round));  // the device CHECKs the ranges it is given
  }
}

}  // namespace
}  // namespace swiftness::scsi::test
