#include "target/scsi/rod_tokens.h"

#include <algorithm>
#include <utility>

#include "backend/base/check.h"
#include "backend/base/endian.h"
#include "backend/base/hash.h"
#include "target/scsi/block_range.h"
#include "target/scsi/capacity.h"
#include "target/scsi/limits.h"

namespace swiftness::scsi {
namespace {

// Offsets in a token.
constexpr size_t kLengthAt = 6;
constexpr size_t kIdAt = 8;
constexpr size_t kCreatorAt = 16;  // an identification descriptor
constexpr size_t kCreatorNameAt = kCreatorAt + 8;
constexpr size_t kBytesAt = 48;           // 16 bytes
constexpr size_t kDeviceSpecificAt = 96;  // what READ CAPACITY(16) says behind the LBA
constexpr size_t kSignatureAt = kRodTokenBytes - sizeof(Sha256);  // in EXTENDED ROD TOKEN DATA
constexpr uint16_t kLengthOfRest = kRodTokenBytes - 8;

Sha256 signature_of(const RodTokenData& data, const TokenKey& key) {
  return hmac_sha256(key, std::span(data).first(kSignatureAt));
}

}  // namespace

AdditionalSense why_not(RodToken::State state) {
  switch (state) {
    case RodToken::State::revoked:
      return asc::kTokenRevoked;
    case RodToken::State::expired:
      return asc::kTokenExpired;
    case RodToken::State::cancelled:
      return asc::kTokenCancelled;
    case RodToken::State::deleted:
      return asc::kTokenDeleted;
    case RodToken::State::live:
      break;
  }
  CHECK(false);
}

RodTokenPtr RodTokens::add(const PopulateToken& populate, uint32_t block_size, TimePoint now) {
  expire(now);
  if (live_ == kMostLive) {
    const auto oldest = std::ranges::find_if(records_, &RodToken::is_live, &RodTokenPtr::operator*);
    end(**oldest, RodToken::State::cancelled);
  }
  if (records_.size() == kMostRecords) {
    end(*records_.front(), RodToken::State::cancelled);
    records_.pop_front();
  }
  auto token = std::make_shared<RodToken>();
  token->id = ++last_id_;
  token->type = populate.type;
  token->ranges = populate.ranges;
  token->bytes = blocks_of(populate.ranges) * block_size;
  token->made = token->used = now;
  const uint32_t wanted = populate.inactivity_timeout_s;
  token->inactivity = std::chrono::seconds(
      wanted == 0 ? kDefaultTokenInactivity_s : std::max(wanted, kMinimumTokenInactivity_s));
  records_.push_back(token);
  ++live_;
  return token;
}

RodTokenPtr RodTokens::find(uint64_t id, TimePoint now) {
  expire(now);
  const auto found = std::ranges::find(records_, id, [](const RodTokenPtr& t) { return t->id; });
  return found == records_.end() ? nullptr : *found;
}

void RodTokens::revoke(const BlockRange& changed) noexcept {
  for (const RodTokenPtr& token : records_) {
    const auto is_hit = [&changed](const BlockRange& range) { return overlap(range, changed); };
    if (std::ranges::any_of(token->ranges, is_hit)) end(*token, RodToken::State::revoked);
  }
  if (live_ > 0) expire(now());
}

void RodTokens::end(RodToken& token, RodToken::State state) noexcept {
  if (!token.is_live()) return;
  token.state = state;
  token.ranges = {};
  --live_;
}

// One that a copy is using (somebody else holds it) does not go under its hands.
void RodTokens::expire(TimePoint now) noexcept {
  for (const RodTokenPtr& token : records_) {
    const bool is_over = now - token->used > token->inactivity ||
                         now - token->made > std::chrono::seconds(kMaximumTokenLifetime_s);
    if (is_over && token.use_count() == 1) end(*token, RodToken::State::expired);
  }
}

// ---- the 512 bytes -----------------------------------------------------------------------------

RodTokenData encode_token(const RodToken& token, const Identity& creator, const Geometry& geometry,
                          const TokenKey& key) {
  RodTokenData data{};
  store_be(&data[0], token.type);
  store_be(&data[kLengthAt], kLengthOfRest);
  store_be(&data[kIdAt], token.id);
  data[kCreatorAt] = std::byte{0xe4};
  data[kCreatorAt + 4] = std::byte{0x01};  // CODE SET: binary
  data[kCreatorAt + 5] = std::byte{0x03};  // DESIGNATOR TYPE: NAA, of the logical unit
  data[kCreatorAt + 7] = std::byte{sizeof(Naa6)};
  std::ranges::copy(naa6_of(creator.uuid), &data[kCreatorNameAt]);
  store_be(&data[kCreatorAt + 28], geometry.block_size);
  store_be(&data[kBytesAt + 8], token.bytes);
  const Bytes capacity = read_capacity16_data(geometry);
  std::copy_n(capacity.begin() + 8, 24, &data[kDeviceSpecificAt]);
  std::ranges::copy(signature_of(data, key), &data[kSignatureAt]);
  return data;
}

std::variant<TokenName, Sense> read_token(const RodTokenData& data, const TokenKey& key) {
  const uint32_t type = load_be<uint32_t>(&data[0]);
  const bool is_ours =
      type == rod_type::kPointInTime || type == rod_type::kPointInTimeChangeVulnerable;
  if (type != rod_type::kBlockDeviceZero && !is_ours) {
    return illegal_request(asc::kUnsupportedTokenType);
  }
  if (load_be<uint16_t>(&data[kLengthAt]) != kLengthOfRest) {
    return illegal_request(asc::kInvalidTokenLength);
  }
  TokenName name;
  name.is_zero = type == rod_type::kBlockDeviceZero;
  if (name.is_zero) return name;
  if (!same_signature(signature_of(data, key), std::span(data).last<sizeof(Sha256)>())) {
    return illegal_request(asc::kTokenUnknown);
  }
  std::copy_n(&data[kCreatorNameAt], name.creator.size(), name.creator.begin());
  name.id = load_be<uint64_t>(&data[kIdAt]);
  return name;
}

}  // namespace swiftness::scsi
