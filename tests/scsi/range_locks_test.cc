// Commands that read and write as one step, while others write the same blocks (I13).
#include "target/scsi/range_locks.h"

#include "tests/scsi/fixture.h"

namespace swiftness::scsi::test {
namespace {

class RangeLock : public ::testing::Test {
 protected:
  using Hold = RangeLocks::Hold;

  std::unique_ptr<Hold> hold(uint64_t first, uint64_t count, Sharing sharing,
                             TicketPtr ticket = std::make_shared<Ticket>()) {
    BlockRange range{Lba(first), BlockCount(count)};
    return std::make_unique<Hold>(locks_, range, sharing, std::move(ticket));
  }

  RangeLocks locks_;
};

TEST_F(RangeLock, SharedOnesDoNotWaitForEachOther) {
  auto a = hold(0, 8, Sharing::shared), b = hold(4, 8, Sharing::shared);
  EXPECT_TRUE(a->granted());
  EXPECT_TRUE(b->granted());
}

TEST_F(RangeLock, AnExclusiveOneWaitsForWhatOverlapsAndNothingElse) {
  auto before = hold(0, 8, Sharing::shared);
  auto neighbour = hold(16, 8, Sharing::shared);
  auto exclusive = hold(7, 9, Sharing::exclusive);
  EXPECT_FALSE(exclusive->granted());
  neighbour.reset();
  EXPECT_FALSE(exclusive->granted());
  before.reset();
  EXPECT_TRUE(exclusive->granted());
}

TEST_F(RangeLock, LaterOnesWaitBehindOneThatWaits) {
  auto first = hold(0, 8, Sharing::shared);
  auto exclusive = hold(0, 8, Sharing::exclusive);
  auto later = hold(4, 1, Sharing::shared);
  EXPECT_FALSE(later->granted())
      << "or a stream of writes would hold the exclusive one up for ever";
  first.reset();
  EXPECT_TRUE(exclusive->granted());
  EXPECT_FALSE(later->granted());
  exclusive.reset();
  EXPECT_TRUE(later->granted());
}

TEST_F(RangeLock, ExclusiveOnesOfDifferentBlocksGoOnSideBySide) {
  auto a = hold(0, 8, Sharing::exclusive), b = hold(8, 8, Sharing::exclusive);
  auto both = hold(7, 2, Sharing::exclusive);
  EXPECT_TRUE(a->granted());
  EXPECT_TRUE(b->granted());
  a.reset();
  EXPECT_FALSE(both->granted());
  b.reset();
  EXPECT_TRUE(both->granted());
}

TEST_F(RangeLock, OneThatWasGivenUpHoldsNobodyUp) {
  auto ticket = std::make_shared<Ticket>();
  auto given_up = hold(0, 8, Sharing::exclusive, ticket);
  auto waits = hold(0, 8, Sharing::exclusive);
  EXPECT_FALSE(waits->granted());
  ticket->cancelled = true;
  locks_.notice_cancelled();
  EXPECT_TRUE(waits->granted());
  given_up.reset();
  EXPECT_FALSE(hold(0, 8, Sharing::shared)->granted()) << "the other one still holds";
}

// ---- the same by commands ---------------------------------------------------------------------

class OneStep : public ScsiTest {
 protected:
  static Cdb compare_and_write(int lba, int blocks) {
    return cdb({0x89, 0, 0, 0, 0, 0, 0, 0, 0, lba, 0, 0, 0, blocks});
  }
  static Cdb write10(int lba, int blocks) { return cdb({0x2a, 0, 0, 0, 0, lba, 0, 0, blocks}); }
  static BufferList expecting(Buffer expected, Buffer data) {
    BufferList out(std::move(expected));
    out.append(std::move(data));
    return out;
  }
};

TEST_F(OneStep, OfTwoThatExpectTheSameOneWins) {
  start();
  device_.hang();
  auto a = begin(compare_and_write(0, 1), expecting(Buffer::zeros(512), pattern(512, 1)));
  auto b = begin(compare_and_write(0, 1), expecting(Buffer::zeros(512), pattern(512, 2)));
  EXPECT_EQ(device_.waiting(), 1u) << "the second does not read before the first has written";
  device_.release();
  turn();
  ASSERT_TRUE(a->done() && b->done());
  EXPECT_EQ(a->result->status, Status::good);
  EXPECT_EQ(sense_code(b->result->sense), "0e/1d/00");
  EXPECT_TRUE(device_.contents(0, 1) == BufferList(pattern(512, 1)));
}

TEST_F(OneStep, AWriteComesBeforeOrAfterIt) {
  start();
  device_.hang();
  auto compared = begin(compare_and_write(0, 1), expecting(Buffer::zeros(512), pattern(512, 1)));
  auto written = begin(write10(0, 1), pattern(512, 2));
  auto unmap = begin(cdb({0x42, 0, 0, 0, 0, 0, 0, 0, 24}), [] {
    Bytes list(24);
    list[1] = std::byte{22}, list[3] = std::byte{16}, list[19] = std::byte{1};
    return BufferList(Buffer::own(std::move(list)));
  }());
  auto elsewhere = begin(write10(1, 1), pattern(512, 3));
  EXPECT_EQ(device_.calls().writes, 1) << "of the one elsewhere";
  EXPECT_EQ(device_.calls().unmaps, 0);
  device_.release();
  turn();
  EXPECT_EQ(compared->result->status, Status::good);
  ASSERT_TRUE(written->done() && unmap->done() && elsewhere->done());
}

TEST_F(OneStep, AWriteOnItsWayIsWaitedFor) {
  start();
  device_.hang();
  auto written = begin(write10(0, 1), pattern(512, 2));
  auto compared = begin(compare_and_write(0, 1), expecting(pattern(512, 2), pattern(512, 1)));
  EXPECT_EQ(device_.calls().reads, 0);
  device_.release();
  turn();
  EXPECT_EQ(compared->result->status, Status::good);
  EXPECT_TRUE(device_.contents(0, 1) == BufferList(pattern(512, 1)));
}

TEST_F(OneStep, OneThatIsResetMakesWayAndNeverWrites) {
  start();
  device_.hang();
  auto compared = begin(compare_and_write(0, 1), expecting(Buffer::zeros(512), pattern(512, 1)));
  auto waiting = begin(write10(0, 1), pattern(512, 2));
  router_.reset(lun_to_field(0), nexus_);
  EXPECT_EQ(sense_of(kTestUnitReady), "06/29/03");
  auto later = begin(write10(0, 1), pattern(512, 3));
  EXPECT_EQ(device_.calls().writes, 1) << "held up by nobody";
  device_.release();
  turn();
  ASSERT_TRUE(compared->done() && waiting->done() && later->done());
  EXPECT_EQ(later->result->status, Status::good);
  EXPECT_TRUE(device_.contents(0, 1) == BufferList(pattern(512, 3)));
}

TEST_F(OneStep, OrWritesOfTheSameBlocksAddUp) {
  start();
  device_.hang();
  std::vector<std::shared_ptr<Flight>> flights;
  for (int bit = 0; bit < 8; ++bit) {
    Bytes data(512, static_cast<std::byte>(1 << bit));
    flights.push_back(begin(cdb({0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}),
                            BufferList(Buffer::own(std::move(data)))));
  }
  device_.release();
  turn();
  for (const auto& flight : flights) EXPECT_EQ(flight->result->status, Status::good);
  EXPECT_TRUE(device_.contents(0, 1) == BufferList(Buffer::own(Bytes(512, std::byte{0xff}))));
}

}  // namespace
}  // namespace swiftness::scsi::test
