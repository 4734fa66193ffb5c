// ROD tokens (SPC-5 5.17.6): names for the data that some blocks of a logical unit have at one
// moment. The logical unit keeps the list of those it has given out; the 512 bytes that an
// initiator gets name one of them and are signed, so that nobody makes up another's.
//
// A token ends with the first change of any of its blocks: it would name something else than what
// the initiator saw. Whoever is about to change blocks calls revoke() before the device sees the
// change, so a copy that has read blocks and finds its token alive afterwards has read the token's
// data. While no token lives that costs the one branch of empty().
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <variant>
#include <vector>

#include "backend/base/clock.h"
#include "backend/block_device.h"
#include "target/scsi/copy_parameters.h"
#include "target/scsi/identity.h"
#include "target/scsi/sense.h"

namespace swiftness::scsi {

// Advertised in VPD page 8Fh.
inline constexpr uint32_t kDefaultTokenInactivity_s = 60;
inline constexpr uint32_t kMinimumTokenInactivity_s = 30;
inline constexpr uint32_t kMaximumTokenInactivity_s = 3600;
inline constexpr uint32_t kMaximumTokenLifetime_s = 24 * 3600;

struct RodToken {
  enum class State { live, revoked, expired, cancelled, deleted };
  State state = State::live;
  uint64_t id = 0;
  uint32_t type = rod_type::kPointInTime;
  std::vector<BlockRange> ranges;  // in the order of the data; of live ones only
  uint64_t bytes = 0;
  TimePoint made;
  TimePoint used;
  Duration inactivity{};

  bool is_live() const noexcept { return state == State::live; }
};
using RodTokenPtr = std::shared_ptr<RodToken>;

// Why a token cannot be used, for ILLEGAL REQUEST.
AdditionalSense why_not(RodToken::State state);

// The tokens of one logical unit. Shard only.
class RodTokens {
 public:
  static constexpr size_t kMostLive = 256;      // then the oldest is cancelled
  static constexpr size_t kMostRecords = 1024;  // with those that ended, so that one can say why

  bool empty() const noexcept { return live_ == 0; }

  RodTokenPtr add(const PopulateToken& populate, uint32_t block_size, TimePoint now);
  RodTokenPtr find(uint64_t id, TimePoint now);  // null: there is no record of it
  void revoke(const BlockRange& changed) noexcept;
  void remove(RodToken& token) noexcept { end(token, RodToken::State::deleted); }

 private:
  void end(RodToken& token, RodToken::State state) noexcept;
  void expire(TimePoint now) noexcept;

  std::deque<RodTokenPtr> records_;  // by age
  size_t live_ = 0;
  uint64_t last_id_ = 0;
};

// ---- the 512 bytes (SPC-5 5.17.6.4) ------------------------------------------------------------

using TokenKey = std::array<std::byte, 32>;  // of HMAC-SHA256

RodTokenData encode_token(const RodToken& token, const Identity& creator, const Geometry& geometry,
                          const TokenKey& key);

struct TokenName {
  bool is_zero = false;  // block device zero: as many zeros as one likes
  Naa6 creator{};
  uint64_t id = 0;
};
// Whose token this is. What was not signed with the key is nobody's (TOKEN UNKNOWN): made up, or
// made by a gateway that is no more.
std::variant<TokenName, Sense> read_token(const RodTokenData& data, const TokenKey& key);

}  // namespace swiftness::scsi
