// POPULATE TOKEN, WRITE USING TOKEN, RECEIVE ROD TOKEN INFORMATION.
#include "backend/base/clock.h"
#include "target/scsi/command_table.h"
#include "tests/scsi/copy_fixture.h"

namespace swiftness::scsi::test {
namespace {

class Tokens : public CopyTest {
 protected:
  std::shared_ptr<Flight> begin_write(const RodTokenData& token, uint16_t lun,
                                      const std::vector<Range>& ranges, int flags = 0) {
    const Bytes list = write_using_list(token, ranges, 0, flags);
    return begin(command(copy_out(0x11, list.size(), 78), list.size(), nexus_, lun),
                 BufferList(Buffer::copy_of(list)));
  }
  // So much time, with all that happens at its beginning and its end.
  void pass(VirtualClock& clock, int seconds) {
    asio::co_spawn(io_, sleep_for(std::chrono::seconds(seconds)), [](std::exception_ptr) {});
    turn();
    ASSERT_TRUE(clock.advance());
    turn();
  }
};

TEST_F(Tokens, CopyFromOneUnitToAnother) {
  start_all();
  fill(device_, 10, 20, 1);
  const RodTokenData token = populate(0, {{10, 20}});
  EXPECT_EQ(write_using(token, 1, {{1000, 20}}), kGood);
  EXPECT_EQ(other_.contents(1000, 20), device_.contents(10, 20));
  EXPECT_EQ(transfer_count(1), 20u);
  EXPECT_EQ(copy_status(1), 1);
  EXPECT_EQ(write_using(token, 2, {{0, 2}}), kGood) << "again, to larger blocks";
  EXPECT_EQ(large_blocks_.contents(0, 2), device_.contents(10, 16));
  EXPECT_EQ(transfer_count(2), 2u);
}

TEST_F(Tokens, WhatPopulateTokenTells) {
  start_all();
  populate(0, {{0, 8}, {100, 4}});
  const Bytes information = received(7, 77);
  EXPECT_EQ(hex(information).substr(0, 38 * 2),
            squeezed("00000222 10 01 0001 ffffffff 00 00 00 f1 000000000000000c 0000 000000000000"
                     "00000202 0000"));
  EXPECT_EQ(outcome(send(copy_in(7, 99))), "05/24/00");
}

TEST_F(Tokens, RangesOfBothSidesAndAnOffset) {
  start_all();
  fill(device_, 0, 100, 1);
  const RodTokenData token = populate(0, {{50, 10}, {0, 10}, {80, 10}});
  EXPECT_EQ(write_using(token, 1, {{7, 3}, {200, 15}}, 5), kGood);
  BufferList expected(device_.contents(55, 5));
  expected.append(device_.contents(0, 10));
  expected.append(device_.contents(80, 3));
  BufferList found(other_.contents(7, 3));
  found.append(other_.contents(200, 15));
  EXPECT_EQ(found, expected);
  EXPECT_EQ(transfer_count(1), 18u);
  EXPECT_EQ(write_using(token, 1, {{500, 100}}, 28), kGood) << "two blocks are left";
  EXPECT_EQ(transfer_count(1), 2u);
  EXPECT_EQ(write_using(token, 1, {{500, 1}}, 30), "05/26/00");
  EXPECT_EQ(write_using(token, 2, {{0, 1}}, 0), kGood);
}

// One that is not in the list fails the test: whoever adds a command that changes blocks has to see
// to the tokens.
TEST_F(Tokens, AreRevokedByEveryCommandThatChangesTheirBlocks) {
  start_all();
  const BufferList block(pattern(512, 9));
  for (const CommandDescriptor& entry : all_commands()) {
    if ((entry.traits & kChangesMedium) == 0) continue;
    SCOPED_TRACE(entry.name);
    fill(device_, 0, 1, 1);
    const RodTokenData token = populate(0, {{0, 1}});
    Cdb change{};
    change[0] = entry.opcode;
    BufferList data = block;
    const std::string_view name = entry.name;
    if (name == "WRITE(6)") {
      change[4] = 1;
    } else if (name.ends_with("(10)")) {
      change[8] = 1;
    } else if (name.ends_with("(12)")) {
      change[9] = 1;
    } else if (name == "COMPARE AND WRITE") {
      change[13] = 1;
      data = device_.contents(0, 1);
      data.append(block);
    } else if (name == "FORMAT UNIT") {
      data = {};
    } else if (name == "SANITIZE BLOCK ERASE") {
      change[1] = entry.service_action.value();
      data = {};
    } else if (name == "UNMAP") {
      change[8] = 24;
      Bytes list(24);
      store_be(&list[0], uint16_t{22});
      store_be(&list[2], uint16_t{16});
      store_be(&list[16], uint32_t{1});
      data = BufferList(Buffer::own(list));
    } else if (name == "WRITE USING TOKEN") {
      EXPECT_EQ(write_using(zero_token(), 0, {{0, 1}}), kGood);
      EXPECT_EQ(write_using(token, 1, {{0, 1}}), "05/23/06");
      continue;
    } else if (name == "WRITE ATOMIC(16)" || name == "WRITE(16)" || name == "ORWRITE(16)" ||
               name == "WRITE SAME(16)" || name == "WRITE AND VERIFY(16)") {
      change[13] = 1;
    } else {
      ADD_FAILURE() << "not known here";
    }
    EXPECT_EQ(write_using(token, 1, {{0, 1}}), kGood);
    ASSERT_EQ(outcome(send(change, data)), kGood);
    EXPECT_EQ(write_using(token, 1, {{0, 1}}), "05/23/06");
  }
}

TEST_F(Tokens, AreRevokedByExtendedCopy) {
  start_all();
  const RodTokenData token = populate(0, {{0, 8}}), beside = populate(0, {{8, 8}});
  CopyList list;
  list.targets = {target_descriptor(uuid_of(1)), target_descriptor(MemoryDevice::kIdentity)};
  list.segments = {segment_descriptor(0, 1, 8, 0, 0)};
  EXPECT_EQ(outcome(extended_copy(list.lid1())), kGood);
  EXPECT_EQ(write_using(token, 1, {{0, 8}}), "05/23/06");
  EXPECT_EQ(write_using(beside, 1, {{0, 8}}), kGood);
}

TEST_F(Tokens, AChangeWhileItIsCopiedEndsTheCopy) {
  start_all();
  fill(device_, 0, 8, 1);
  const RodTokenData token = populate(0, {{0, 8}});
  device_.hang();
  auto copying = begin_write(token, 1, {{0, 8}});
  auto changing = begin(kWrite, BufferList(pattern(512, 50)));
  device_.release();
  turn();
  ASSERT_TRUE(copying->done() && changing->done());
  EXPECT_EQ(outcome(*changing->result), kGood);
  EXPECT_EQ(outcome(*copying->result), "05/23/06");
  EXPECT_EQ(other_.written_blocks(), 0u);
  EXPECT_EQ(copy_status(1), 2);
  EXPECT_EQ(transfer_count(1), 0u);
}

TEST_F(Tokens, AWriteUnderWayIsPartOfTheToken) {
  start_all();
  device_.hang();
  auto writing = begin(kWrite, BufferList(pattern(512, 50)));
  const Bytes list = populate_list({{0, 8}});
  auto populating = begin(copy_out(0x10, list.size(), 77), BufferList(Buffer::copy_of(list)));
  EXPECT_FALSE(populating->done()) << "it has no place in the device's log yet";
  device_.release();
  turn();
  ASSERT_TRUE(writing->done() && populating->done());
  const Bytes information = received(7, 77);
  RodTokenData token;
  std::copy_n(information.begin() + 38, 512, token.begin());
  EXPECT_EQ(write_using(token, 1, {{0, 1}}), kGood);
  EXPECT_EQ(other_.contents(0, 1), BufferList(pattern(512, 50)));
}

TEST_F(Tokens, DoNotWriteOverTheirOwnSource) {
  start_all();
  fill(device_, 0, 16, 1);
  const BufferList before = device_.contents(0, 16);
  const RodTokenData token = populate(0, {{0, 8}});
  EXPECT_EQ(write_using(token, 0, {{4, 8}}), "05/23/06");
  EXPECT_EQ(device_.contents(0, 16), before);
  EXPECT_EQ(write_using(populate(0, {{0, 8}}), 0, {{8, 8}}), kGood);
}

TEST_F(Tokens, ExpireWhenNobodyUsesThem) {
  VirtualClock clock;
  start_all();
  const RodTokenData token = populate(0, {{0, 8}}, 100);
  pass(clock, 90);
  EXPECT_EQ(write_using(token, 1, {{0, 8}}), kGood);
  pass(clock, 90);
  EXPECT_EQ(write_using(token, 1, {{0, 8}}), kGood) << "it was used meanwhile";
  pass(clock, 101);
  EXPECT_EQ(write_using(token, 1, {{0, 8}}), "05/23/07");
}

TEST_F(Tokens, WhatIsNoTokenOfThisTarget) {
  start_all();
  RodTokenData token = populate(0, {{0, 8}});
  token[15] ^= std::byte{1};  // another identifier
  EXPECT_EQ(write_using(token, 1, {{0, 8}}), "05/23/04");
  token = zero_token();
  token[7] = std::byte{0};
  EXPECT_EQ(write_using(token, 1, {{0, 8}}), "05/23/0a");
  token = populate(0, {{0, 8}});
  token[1] = std::byte{0x01};  // access upon reference
  EXPECT_EQ(write_using(token, 1, {{0, 8}}), "05/23/01");
}

TEST_F(Tokens, OpenNothingThatTheNexusMayNotReach) {
  start_all();
  const RodTokenData token = populate(0, {{0, 8}});
  const NexusId narrow = log_in_everywhere({.luns = {1}});
  EXPECT_EQ(write_using(token, 1, {{0, 8}}, 0, 0, narrow), "05/23/04");
  const NexusId wide = log_in_everywhere();
  EXPECT_EQ(write_using(token, 1, {{0, 8}}, 0, 0, wide), kGood) << "another nexus, though";
  const NexusId reader = log_in_everywhere({.read_only = true});
  EXPECT_EQ(write_using(token, 1, {{0, 8}}, 0, 0, reader), "07/27/00");
  EXPECT_EQ(write_using(token, 3, {{0, 8}}), "07/27/00");
}

TEST_F(Tokens, AReservationOfTheSourceCounts) {
  start_all();
  const RodTokenData token = populate(0, {{0, 8}});
  const NexusId holder = log_in_everywhere();
  EXPECT_EQ(outcome(send(cdb({0x16}), {}, holder)), kGood);  // RESERVE(6)
  EXPECT_EQ(write_using(token, 1, {{0, 8}}), "status 24");
  EXPECT_EQ(write_using(token, 1, {{0, 8}}, 0, 0, holder), kGood);
}

TEST_F(Tokens, AreDeletedWhenAskedFor) {
  start_all();
  const RodTokenData token = populate(0, {{0, 8}});
  EXPECT_EQ(write_using(token, 1, {{0, 8}}, 0, 2), kGood);
  EXPECT_EQ(write_using(token, 1, {{0, 8}}), "05/23/09");
}

TEST_F(Tokens, TheZeroTokenUnmaps) {
  start_all();
  fill(other_, 0, 64, 1);
  EXPECT_EQ(write_using(zero_token(), 1, {{8, 8}, {32, 32}}), kGood);
  EXPECT_EQ(other_.written_blocks(), 24u);
  EXPECT_EQ(transfer_count(1), 40u);
}

TEST_F(Tokens, WhatDoesNotFitIntoItsTimeIsLeftOver) {
  VirtualClock clock;
  start_all();
  const uint32_t mebibyte = kMebibyte / 512;
  fill(other_, 0, 10 * mebibyte, 1);
  const RodTokenData token = populate(1, {{0, 10 * mebibyte}});
  other_.hang();
  auto copying = begin_write(token, 2, {{0, 10 * mebibyte / 8}});
  pass(clock, 4);
  other_.release();
  turn();
  ASSERT_TRUE(copying->done());
  EXPECT_EQ(outcome(*copying->result), kGood);
  EXPECT_EQ(copy_status(2), 3);
  EXPECT_EQ(transfer_count(2), 4 * mebibyte / 8);
  EXPECT_EQ(large_blocks_.contents(0, 4 * mebibyte / 8), other_.contents(0, 4 * mebibyte));
  EXPECT_EQ(write_using(token, 2, {{4 * mebibyte / 8, 6 * mebibyte / 8}}, 4 * mebibyte / 8), kGood);
  EXPECT_EQ(large_blocks_.contents(0, 10 * mebibyte / 8), other_.contents(0, 10 * mebibyte));
}

TEST_F(Tokens, ManySmallRangesKeepToTheTimeToo) {
  VirtualClock clock;
  start_all();
  std::vector<Range> ranges;
  for (uint32_t i = 0; i < 8; ++i) ranges.push_back({16 * i, 8});
  fill(other_, 0, 128, 1);
  const RodTokenData token = populate(1, ranges);
  other_.hang();
  auto copying = begin_write(token, 0, {{0, 64}});
  pass(clock, 4);
  other_.release();
  turn();
  ASSERT_TRUE(copying->done());
  EXPECT_EQ(outcome(*copying->result), kGood);
  EXPECT_EQ(copy_status(0), 3);
  EXPECT_EQ(transfer_count(0), 8u) << "the first range";
  EXPECT_EQ(write_using(token, 0, {{8, 56}}, 8), kGood);
  EXPECT_EQ(copy_status(0), 1);
  for (uint64_t i = 0; i < 8; ++i) {
    EXPECT_EQ(device_.contents(8 * i, 8), other_.contents(16 * i, 8));
  }
}

// Within a device that copies by itself, and behind what it has to do first.
TEST_F(Tokens, ADeviceThatWouldBeLateMayCatchUpAndIsThenReadAndWritten) {
  VirtualClock clock;
  start_all();
  other_.copy_by_itself();
  const uint32_t mebibyte = kMebibyte / 512;
  fill(other_, 0, 2 * mebibyte, 1);
  const RodTokenData token = populate(1, {{0, 2 * mebibyte}});
  EXPECT_EQ(write_using(token, 1, {{4 * mebibyte, 2 * mebibyte}}), kGood);
  EXPECT_EQ(other_.calls().copies, 1);

  const auto ms_until_done = [&](const Flight& flight, int late_ms) {
    const TimePoint begin = clock.now();
    for (int i = 0; !flight.done() && i < 1000; ++i) {
      if (clock.now() - begin >= std::chrono::milliseconds(late_ms)) other_.set_copies_late(false);
      EXPECT_TRUE(clock.advance());
      turn();
    }
    EXPECT_TRUE(flight.done());
    return static_cast<int>((clock.now() - begin) / std::chrono::milliseconds(1));
  };
  other_.set_copies_late(true);
  auto copying = begin_write(token, 1, {{8 * mebibyte, 2 * mebibyte}});
  EXPECT_NEAR(ms_until_done(*copying, 500), 500, 50);
  EXPECT_EQ(other_.calls().copies, 2);

  const int writes = other_.calls().writes;
  other_.set_copies_late(true);
  copying = begin_write(token, 1, {{12 * mebibyte, 2 * mebibyte}});
  EXPECT_NEAR(ms_until_done(*copying, 9000), 1500, 50);
  EXPECT_EQ(other_.calls().copies, 2);
  EXPECT_EQ(other_.calls().writes, writes + 2);
  for (uint64_t to : {4, 8, 12}) {
    EXPECT_EQ(other_.contents(to * mebibyte, 2 * mebibyte), other_.contents(0, 2 * mebibyte));
  }
}

TEST_F(Tokens, InTheBackground) {
  start_all();
  fill(device_, 0, 8, 1);
  const RodTokenData token = populate(0, {{0, 8}});
  other_.hang();
  EXPECT_EQ(write_using(token, 1, {{0, 8}}, 0, 3), kGood);
  EXPECT_EQ(copy_status(1), 0x12);
  EXPECT_EQ(write_using(token, 1, {{0, 8}}), "05/00/16") << "the same list identifier";
  other_.release();
  turn();
  EXPECT_EQ(copy_status(1), 1);
  EXPECT_EQ(transfer_count(1), 8u);
  EXPECT_EQ(other_.contents(0, 8), device_.contents(0, 8));
  EXPECT_EQ(write_using(token, 1, {{0, 8}}), "05/23/09") << "deleted in the end";
}

TEST_F(Tokens, AnAbortedWriteWritesNothingMore) {
  start_all();
  fill(device_, 0, 8, 1);
  const RodTokenData token = populate(0, {{0, 8}});
  device_.hang();
  auto copying = begin_write(token, 1, {{0, 8}});
  router_.abort_task_set(lun_to_field(1), nexus_);
  device_.release();
  turn();
  EXPECT_TRUE(copying->done());
  EXPECT_EQ(other_.written_blocks(), 0u);
  EXPECT_EQ(copy_status(1), 2);
}

TEST_F(Tokens, ThePageSaysWhatThereIs) {
  start_all();
  const Bytes data = [this] {
    const Buffer flat = send(cdb({0x12, 1, 0x8f, 4, 0})).data_in.flatten();
    return Bytes(flat.bytes().begin(), flat.bytes().end());
  }();
  EXPECT_EQ(hex(data).substr(0, 40 * 2),
            squeezed("00 8f 01ac"
                     "0000 0020 000000000000 0040 00000e10 0000003c 0000000000080000"
                     "0000000000020000"));
  std::vector<int> types;
  for (size_t at = 4; at < data.size(); at += 4 + load_be<uint16_t>(&data[at + 2])) {
    types.push_back(load_be<uint16_t>(&data[at]));
  }
  EXPECT_EQ(types, (std::vector<int>{0x0000, 0x0001, 0x0004, 0x0008, 0x0106, 0x0108, 0x8001}));
}

}  // namespace
}  // namespace swiftness::scsi::test
