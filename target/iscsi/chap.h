// CHAP (RFC 1994) as iSCSI carries it (RFC 7143 12.1.3), the target's side of one login. Pure but
// for the challenge: keys in, keys out.
//
// The initiator proves that it knows a secret of ours; if it asks, we prove that we know one of
// its. A challenge is used once and comes from the kernel's random source, responses are compared
// in constant time, and a challenge that is our own, sent back to us, is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "backend/base/buffer.h"
#include "target/iscsi/text_keys.h"

namespace swiftness::iscsi {

struct ChapSecret {
  std::string user;
  std::string secret;  // 12 to 16 bytes are what every initiator can do (RFC 7143 9.2.1)
};

struct ChapSecrets {
  std::optional<ChapSecret> initiator;  // it has to prove that it knows this; nothing: no CHAP
  std::optional<ChapSecret> target;     // what we prove ourselves with (mutual CHAP)
};

// The numbers are those of the IANA registry (RFC 7143 12.1.3 and "PPP Authentication Algorithms").
enum class ChapAlgorithm : uint8_t { md5 = 5, sha1 = 6, sha256 = 7, sha3_256 = 8 };

// What proves the knowledge of a secret: the hash over identifier, secret and challenge.
Bytes chap_response(ChapAlgorithm algorithm, uint8_t identifier, std::string_view secret,
                    std::span<const std::byte> challenge);

class Chap {
 public:
  // `secrets.initiator` is there.
  explicit Chap(ChapSecrets secrets) : secrets_(std::move(secrets)) {}

  // The CHAP keys of one login request; answers are appended. A request without any changes
  // nothing. An error is a login that failed, in words for the log.
  Result<void> receive(const TextKeys& keys, std::string& answers);

  bool done() const noexcept { return step_ == Step::done; }

 private:
  enum class Step { algorithm, response, done };

  Result<void> choose(std::string_view offered, std::string& answers);
  Result<void> verify(const std::string& user, std::string_view response) const;
  Result<void> prove(const std::string& identifier, std::string_view challenge,
                     std::string& answers) const;

  ChapSecrets secrets_;
  Step step_ = Step::algorithm;
  ChapAlgorithm algorithm_ = ChapAlgorithm::md5;
  uint8_t identifier_ = 0;
  Bytes challenge_;
};

}  // namespace swiftness::iscsi
