// Offloaded copies as Windows makes them (ODX): POPULATE TOKEN, RECEIVE ROD TOKEN INFORMATION,
// WRITE USING TOKEN (SBC-4 5.11, 5.54; SPC-5 6.28), within its limits: 64 ranges, 64 MiB usually
// and 256 MiB at most, and 4 s for each command. A replay of what is known of it: no Windows takes
// part.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "backend/base/endian.h"
#include "tests/interop/libiscsi.h"
#include "tests/support/copy_lists.h"

namespace swiftness::test {
namespace {

constexpr uint32_t kMiBBlocks = (1 << 20) / kBlockBytes;
constexpr auto kMostPerCommand = std::chrono::seconds(4);
constexpr uint32_t kLeastInactivity_s = 30;    // INACTIVITY TIMEOUT
constexpr uint32_t kPopulate = 1, kWrite = 2;  // list identifiers

// `count` ranges of so many MiB, `stride` MiB from each other.
std::vector<Range> ranges_of(uint64_t first_mib, size_t count, uint32_t mib, uint32_t stride) {
  std::vector<Range> out;
  for (size_t i = 0; i < count; ++i) {
    out.push_back({(first_mib + i * stride) * kMiBBlocks, mib * kMiBBlocks});
  }
  return out;
}

class Odx : public testing::Test {
 protected:
  Odx() {
    gateway_.start();
    initiator_ = std::make_unique<Initiator>(gateway_, InitiatorOptions{});
  }

  // A copy within a volume is answered when it is in the store, behind what was written before.
  std::string stored(uint64_t mebibyte, uint32_t mebibytes, int seed) {
    const std::string outcome = initiator_->fill(mebibyte, mebibytes, seed);
    gateway_.wait_until_stored();
    return outcome;
  }

  static Cdb third_party_copy(int opcode, int action, uint32_t list_identifier, size_t length) {
    Cdb out = cdb({opcode, action});
    auto* bytes = reinterpret_cast<std::byte*>(out.data());
    store_be(bytes + (opcode == 0x84 ? 2 : 6), list_identifier);
    store_be(bytes + 10, static_cast<uint32_t>(length));
    return out;
  }
  std::string copy_command(int action, Bytes list, uint32_t list_identifier = 0) {
    const size_t length = list.size();
    const Answer answer =
        initiator_->give(third_party_copy(0x83, action, list_identifier, length), std::move(list));
    EXPECT_LT(answer.took, kMostPerCommand);
    return answer.outcome();
  }

  std::string populate(const std::vector<Range>& ranges, uint32_t timeout_s = 0) {
    return copy_command(0x10, populate_list(ranges, timeout_s), kPopulate);
  }
  // RECEIVE ROD TOKEN INFORMATION, as often as it takes.
  Bytes information(uint32_t list_identifier) {
    for (int i = 0; i < 100; ++i) {
      const Answer answer = initiator_->ask(third_party_copy(0x84, 7, list_identifier, 1024), 1024);
      EXPECT_LT(answer.took, kMostPerCommand);
      if (answer.data.size() < 36) break;
      const int status = std::to_integer<int>(answer.data[5]);  // COPY OPERATION STATUS
      if (status < 0x10) return answer.data;                    // it does not run any more
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ADD_FAILURE() << "no end of the operation";
    return Bytes(550);
  }
  Token token_of(const std::vector<Range>& ranges, uint32_t timeout_s = 0) {
    EXPECT_EQ(populate(ranges, timeout_s), "good");
    const Bytes told = information(kPopulate);
    EXPECT_EQ(told.size(), 550u);
    Token token{};
    if (told.size() == 550) std::copy_n(told.begin() + 38, token.size(), token.begin());
    return token;
  }

  std::string write_using(const Token& token, const std::vector<Range>& ranges,
                          uint64_t offset = 0) {
    return copy_command(0x11, write_using_list(token, ranges, offset), kWrite);
  }
  // The same until all is written: what one command did not is asked for again.
  std::string write_all_using(const Token& token, std::vector<Range> ranges) {
    for (uint64_t offset = 0; !ranges.empty();) {
      const std::string outcome = write_using(token, ranges, offset);
      if (outcome != "good") return outcome;
      const uint64_t written = load_be<uint64_t>(&information(kWrite)[16]);  // TRANSFER COUNT
      if (written == 0) return "no progress";
      offset += written;
      for (uint64_t left = written; left > 0 && !ranges.empty();) {
        const auto taken = static_cast<uint32_t>(std::min<uint64_t>(left, ranges[0].blocks));
        left -= taken;
        ranges[0].lba += taken;
        ranges[0].blocks -= taken;
        if (ranges[0].blocks == 0) ranges.erase(ranges.begin());
      }
    }
    return "good";
  }

  GatewayProcess gateway_;
  std::unique_ptr<Initiator> initiator_;
};

TEST_F(Odx, ItsLimitsAreInVpdPage8f) {
  const Bytes page = initiator_->ask(cdb({0x12, 1, 0x8f, 4, 0}), 1024).data;
  ASSERT_GE(page.size(), 4u + 36);
  const std::byte* limits = &page[4];  // the block device ROD token limits descriptor
  EXPECT_EQ(load_be<uint32_t>(limits), 0x00000020u);
  EXPECT_EQ(load_be<uint16_t>(limits + 10), 64) << "ranges";
  EXPECT_EQ(load_be<uint64_t>(limits + 20), 256 * kMiBBlocks);
  EXPECT_EQ(load_be<uint64_t>(limits + 28), 64 * kMiBBlocks);
}

TEST_F(Odx, SixtyFourRangesAndNotOneMore) {
  ASSERT_EQ(stored(0, 128, 1), "good");
  const Token token = token_of(ranges_of(0, 64, 1, 2));
  EXPECT_EQ(write_all_using(token, ranges_of(512, 64, 1, 3)), "good");
  for (uint64_t i = 0; i < 64; ++i) {
    EXPECT_TRUE(initiator_->has(512 + 3 * i, 1, 1, 2 * i)) << i;
    EXPECT_TRUE(initiator_->is_zero(512 + 3 * i + 1, 2)) << i;
  }
  EXPECT_EQ(populate(ranges_of(0, 65, 1, 2)), "05/1a/00");
  EXPECT_EQ(write_using(token, ranges_of(512, 65, 1, 2)), "05/1a/00");
}

TEST_F(Odx, TwoHundredFiftySixMebibytesAndNoMore) {
  ASSERT_EQ(stored(0, 256, 1), "good");
  const Token token = token_of(ranges_of(0, 64, 4, 4));
  EXPECT_EQ(write_all_using(token, ranges_of(1024, 1, 256, 0)), "good");
  EXPECT_TRUE(initiator_->has(1024, 256, 1, 0));
  EXPECT_EQ(populate(ranges_of(0, 1, 257, 0)), "05/26/00");
  EXPECT_EQ(populate({}), "05/26/00");
}

// Then much of it is not in the store yet, behind which a copy would be durable.
TEST_F(Odx, RightAfterMuchWasWritten) {
  ASSERT_EQ(initiator_->fill(0, 256, 1), "good");
  const Token token = token_of(ranges_of(0, 64, 4, 4));
  EXPECT_EQ(write_all_using(token, ranges_of(1024, 1, 256, 0)), "good");
  EXPECT_TRUE(initiator_->has(1024, 256, 1, 0));
}

TEST_F(Odx, AtOffsetsInTheToken) {
  ASSERT_EQ(stored(0, 64, 1), "good");
  const Token token = token_of(ranges_of(0, 1, 64, 0));
  EXPECT_EQ(write_using(token, ranges_of(100, 1, 3, 0), 61 * kMiBBlocks), "good");
  EXPECT_TRUE(initiator_->has(100, 3, 1, 61));
  EXPECT_EQ(write_using(token, ranges_of(200, 2, 1, 8), 7 * kMiBBlocks), "good") << "once more";
  EXPECT_TRUE(initiator_->has(200, 1, 1, 7));
  EXPECT_TRUE(initiator_->has(208, 1, 1, 8));
  EXPECT_EQ(write_using(token, ranges_of(100, 1, 1, 0), 64 * kMiBBlocks), "05/26/00")
      << "there is no more of it";
}

TEST_F(Odx, TheZeroTokenUnmaps) {
  ASSERT_EQ(stored(0, 8, 1), "good");
  EXPECT_EQ(write_all_using(zero_token(), ranges_of(2, 1, 4, 0)), "good");
  EXPECT_TRUE(initiator_->is_zero(2, 4));
  EXPECT_TRUE(initiator_->has(0, 2, 1, 0));
  EXPECT_TRUE(initiator_->has(6, 2, 1, 6));
  Cdb lba_status = cdb({0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32});
  store_be(reinterpret_cast<std::byte*>(lba_status.data()) + 2, uint64_t{2 * kMiBBlocks});
  const Bytes status = initiator_->ask(lba_status, 32).data;
  ASSERT_GE(status.size(), 24u);
  EXPECT_EQ(load_be<uint32_t>(&status[16]), 4 * kMiBBlocks);
  EXPECT_EQ(std::to_integer<int>(status[20]) & 0x0f, 1) << "deallocated";
  EXPECT_EQ(write_all_using(zero_token(), ranges_of(1024, 1, 256, 0)), "good");
}

TEST_F(Odx, AChangedSourceIsNoSource) {
  ASSERT_EQ(stored(0, 64, 1), "good");
  const Token token = token_of(ranges_of(0, 1, 64, 0));
  EXPECT_EQ(initiator_->fill(64, 1, 2), "good") << "beside it";
  EXPECT_EQ(write_using(token, ranges_of(100, 1, 1, 0)), "good");
  EXPECT_EQ(initiator_->give(write16(63 * kMiBBlocks + 8, 8), Bytes(4096)).outcome(), "good");
  EXPECT_EQ(write_using(token, ranges_of(100, 1, 1, 0)), "05/23/06");
  EXPECT_TRUE(initiator_->has(100, 1, 1, 0)) << "as it was";
}

TEST_F(Odx, AForeignTokenIsUnknown) {
  ASSERT_EQ(stored(0, 1, 1), "good");
  const Token token = token_of(ranges_of(0, 1, 1, 0));
  Token altered = token;
  altered.back() ^= std::byte{1};
  EXPECT_EQ(write_using(altered, ranges_of(100, 1, 1, 0)), "05/23/04");
  EXPECT_EQ(write_using(token, ranges_of(100, 1, 1, 0)), "good");
  gateway_.kill();  // whose successor signs with another key
  gateway_.start();
  initiator_ = std::make_unique<Initiator>(gateway_, InitiatorOptions{});
  EXPECT_EQ(write_using(token, ranges_of(200, 1, 1, 0)), "05/23/04");
  initiator_ = std::make_unique<Initiator>(gateway_, InitiatorOptions{.target = kOtherIqn});
  EXPECT_EQ(write_using(token, ranges_of(100, 1, 1, 0)), "05/23/04") << "of another target";
  EXPECT_TRUE(initiator_->is_zero(100, 1));
}

// Prints what docs/TESTING.md has of copies within a volume; meanwhile a token expires.
TEST_F(Odx, ACopyWithinAVolumeTakesNoTimeAndATokenExpires) {
  ASSERT_EQ(stored(0, 256, 1), "good");
  ASSERT_EQ(stored(2000, 1, 2), "good");
  const Token short_lived = token_of(ranges_of(2000, 1, 1, 0), kLeastInactivity_s);
  const auto born = std::chrono::steady_clock::now();

  auto begin = std::chrono::steady_clock::now();
  const Token token = token_of(ranges_of(0, 1, 256, 0));
  EXPECT_EQ(write_all_using(token, ranges_of(512, 1, 256, 0)), "good");
  const std::chrono::duration<double> by_token = std::chrono::steady_clock::now() - begin;

  const Bytes page = initiator_->ask(cdb({0x12, 1, 0x83, 1, 0}), 256).data;
  ASSERT_GE(page.size(), 24u);
  CopyList copy;
  const auto naa = std::span(page).subspan<8, 16>();
  copy.targets = {target_descriptor(naa, kBlockBytes)};
  for (uint64_t i = 0; i < 16; ++i) {  // 16 MiB each
    copy.segments.push_back(segment_descriptor(0, 0, 16 * kMiBBlocks, i * 16 * kMiBBlocks,
                                               (1024 + i * 16) * kMiBBlocks));
  }
  begin = std::chrono::steady_clock::now();
  EXPECT_EQ(copy_command(0x00, copy.lid1()), "good") << "EXTENDED COPY(LID1)";
  const std::chrono::duration<double> by_extended_copy = std::chrono::steady_clock::now() - begin;
  fmt::print("256 MiB within one volume: {:.3f} s by tokens, {:.3f} s by EXTENDED COPY\n",
             by_token.count(), by_extended_copy.count());
  EXPECT_TRUE(initiator_->has(512, 256, 1, 0));
  EXPECT_TRUE(initiator_->has(1024, 256, 1, 0));

  // Not in silence, of which the gateway asks what it means (NOP).
  while (std::chrono::steady_clock::now() < born + std::chrono::seconds(kLeastInactivity_s + 1)) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    ASSERT_EQ(initiator_->ready(), "good");
  }
  EXPECT_EQ(write_using(short_lived, ranges_of(100, 1, 1, 0)), "05/23/07");
  EXPECT_TRUE(initiator_->has(100, 1, 1, 100)) << "as it was";
}

}  // namespace
}  // namespace swiftness::test
