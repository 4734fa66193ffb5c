#include "target/scsi/rod_tokens.h"

#include "tests/scsi/copy_fixture.h"

namespace swiftness::scsi::test {
namespace {

using State = RodToken::State;
using std::chrono::seconds;

PopulateToken populate(const std::vector<BlockRange>& ranges, uint32_t timeout_s = 0) {
  PopulateToken out;
  out.ranges = ranges;
  out.inactivity_timeout_s = timeout_s;
  return out;
}

const BlockRange kFirst{Lba(0), BlockCount(8)};
const BlockRange kSecond{Lba(100), BlockCount(8)};

TEST(RodTokens, AreRevokedByAChangeOfAnyOfTheirBlocks) {
  for (uint64_t lba : {0, 7, 100, 107}) {
    RodTokens tokens;
    EXPECT_TRUE(tokens.empty());
    const RodTokenPtr token = tokens.add(populate({kFirst, kSecond}), 512, now());
    EXPECT_EQ(token->bytes, 16u * 512);
    for (uint64_t beside : {8, 99, 108}) tokens.revoke({Lba(beside), BlockCount(1)});
    EXPECT_TRUE(token->is_live());
    tokens.revoke({Lba(lba), BlockCount(1)});
    EXPECT_EQ(token->state, State::revoked) << lba;
    EXPECT_TRUE(tokens.empty());
    EXPECT_EQ(tokens.find(token->id, now()), token) << "so that one can say why";
  }
}

TEST(RodTokens, Expire) {
  RodTokens tokens;
  const TimePoint begin = now();
  const uint64_t by_default = tokens.add(populate({kFirst}), 512, begin)->id;
  const uint64_t longer = tokens.add(populate({kFirst}, 100), 512, begin)->id;
  EXPECT_TRUE(tokens.find(by_default, begin + seconds(60))->is_live());
  EXPECT_EQ(tokens.find(by_default, begin + seconds(61))->state, State::expired);
  EXPECT_TRUE(tokens.find(longer, begin + seconds(61))->is_live());
  RodTokenPtr in_use = tokens.find(longer, begin + seconds(61));
  EXPECT_TRUE(tokens.find(longer, begin + seconds(200))->is_live()) << "somebody copies by it";
  in_use = nullptr;
  EXPECT_EQ(tokens.find(longer, begin + seconds(200))->state, State::expired);
}

TEST(RodTokens, AreSoManyAtMost) {
  RodTokens tokens;
  const RodTokenPtr first = tokens.add(populate({kFirst}), 512, now());
  for (size_t i = 1; i < RodTokens::kMostLive; ++i) tokens.add(populate({kFirst}), 512, now());
  EXPECT_TRUE(first->is_live());
  tokens.add(populate({kFirst}), 512, now());
  EXPECT_EQ(first->state, State::cancelled);
  const uint64_t id = first->id;
  for (size_t i = 0; i < RodTokens::kMostRecords; ++i) tokens.add(populate({kFirst}), 512, now());
  EXPECT_EQ(tokens.find(id, now()), nullptr) << "forgotten";
}

TEST(RodTokens, TheBytesAreThoseOfTheStandard) {
  RodTokens tokens;
  const TokenKey key{};
  Identity creator;
  creator.uuid = MemoryDevice::kIdentity;
  const RodTokenPtr token = tokens.add(populate({kFirst}), 512, now());
  const RodTokenData data = encode_token(*token, creator, geometry_of(0, 1 << 20), key);
  EXPECT_EQ(to_hex(std::span(data).first(128)),
            squeezed("00800000 0000 01f8 0000000000000001"
                     "e4 00 0000 01 03 00 10 602535723e0a160af9da0a03e6dd2c47 00000000 00000200"
                     "0000000000000000 0000000000001000"
                     "00000000000000000000000000000000 00000000000000000000000000000000"
                     "00000200 00 03 c000 000000000000000000000000000000000000000000000000"));
}

TEST(RodTokens, AnyOtherByteIsNoTokenOfOurs) {
  RodTokens tokens;
  const TokenKey key{std::byte{1}};
  const RodTokenPtr token = tokens.add(populate({kFirst}), 512, now());
  const RodTokenData data = encode_token(*token, Identity{}, geometry_of(0, 1 << 20), key);
  const auto name = read_token(data, key);
  ASSERT_TRUE(std::holds_alternative<TokenName>(name));
  EXPECT_EQ(std::get<TokenName>(name).id, token->id);
  EXPECT_EQ(std::get<TokenName>(name).creator, naa6_of(Uuid{}));
  for (size_t i = 0; i < data.size(); ++i) {
    RodTokenData changed = data;
    changed[i] ^= std::byte{0x10};
    EXPECT_TRUE(std::holds_alternative<Sense>(read_token(changed, key))) << i;
  }
  EXPECT_TRUE(std::holds_alternative<Sense>(read_token(data, TokenKey{}))) << "another key";
}

}  // namespace
}  // namespace swiftness::scsi::test
