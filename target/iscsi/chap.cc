#include "target/iscsi/chap.h"

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "backend/base/check.h"
#include "backend/base/hash.h"
#include "backend/base/random.h"

namespace swiftness::iscsi {
namespace {

constexpr size_t kMostChallengeBytes = 1024;  // 6.1: a binary value

const EVP_MD* hash_of(ChapAlgorithm algorithm) {
  switch (algorithm) {
    case ChapAlgorithm::md5:
      return EVP_md5();
    case ChapAlgorithm::sha1:
      return EVP_sha1();
    case ChapAlgorithm::sha256:
      return EVP_sha256();
    case ChapAlgorithm::sha3_256:
      return EVP_sha3_256();
  }
  return nullptr;
}

size_t hash_bytes(ChapAlgorithm algorithm) {
  return static_cast<size_t>(EVP_MD_get_size(hash_of(algorithm)));
}

bool equal_in_constant_time(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Error failed(std::string why) {
  return Error(ErrorCode::unauthorized, "CHAP failed: " + std::move(why));
}

}  // namespace

Bytes chap_response(ChapAlgorithm algorithm, uint8_t identifier, std::string_view secret,
                    std::span<const std::byte> challenge) {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  Bytes out(hash_bytes(algorithm));
  bool good =
      hash && EVP_DigestInit_ex(hash.get(), hash_of(algorithm), nullptr) == 1 &&
      EVP_DigestUpdate(hash.get(), &identifier, 1) == 1 &&
      EVP_DigestUpdate(hash.get(), secret.data(), secret.size()) == 1 &&
      EVP_DigestUpdate(hash.get(), challenge.data(), challenge.size()) == 1 &&
      EVP_DigestFinal_ex(hash.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1;
  CHECK(good);  // OpenSSL's own memory is all that can fail
  return out;
}

Result<void> Chap::receive(const TextKeys& keys, std::string& answers) {
  const std::string* algorithms = keys.find("CHAP_A");
  if (step_ == Step::algorithm && algorithms != nullptr) return choose(*algorithms, answers);

  const std::string* user = keys.find("CHAP_N");
  const std::string* response = keys.find("CHAP_R");
  const std::string* identifier = keys.find("CHAP_I");
  const std::string* challenge = keys.find("CHAP_C");
  if (!user && !response && !identifier && !challenge && !algorithms) return {};
  if (step_ != Step::response || algorithms || !user || !response) {
    return failed("its keys do not follow each other as they should");
  }
  Result<void> known = verify(*user, *response);
  if (!known) return known;
  if (identifier || challenge) {
    if (!identifier || !challenge) return failed("CHAP_I and CHAP_C belong together");
    Result<void> proven = prove(*identifier, *challenge, answers);
    if (!proven) return proven;
  }
  step_ = Step::done;
  return {};
}

// The initiator's order is its preference.
Result<void> Chap::choose(std::string_view offered, std::string& answers) {
  for (std::string_view item : split_list(offered)) {
    std::optional<uint32_t> number = parse_number(item);
    if (!number || *number < 5 || *number > 8) continue;
    algorithm_ = static_cast<ChapAlgorithm>(*number);
    challenge_.resize(std::max<size_t>(16, hash_bytes(algorithm_)));
    fill_random(challenge_);
    fill_random(std::as_writable_bytes(std::span(&identifier_, 1)));
    append_key(answers, "CHAP_A", std::to_string(*number));
    append_key(answers, "CHAP_I", std::to_string(identifier_));
    append_key(answers, "CHAP_C", "0x" + to_hex(challenge_));
    step_ = Step::response;
    return {};
  }
  return failed(
      fmt::format("CHAP_A={} has none of the algorithms 5 (MD5), 6 (SHA-1), 7 (SHA-256)"
                  " and 8 (SHA3-256)",
                  for_log(offered)));
}

Result<void> Chap::verify(const std::string& user, std::string_view response) const {
  const ChapSecret& secret = *secrets_.initiator;
  std::optional<Bytes> given = parse_binary(response, hash_bytes(algorithm_));
  const Bytes expected = chap_response(algorithm_, identifier_, secret.secret, challenge_);
  const bool right = given && equal_in_constant_time(*given, expected);
  if (user != secret.user) return failed(fmt::format("unknown user {}", for_log(user)));
  if (!given || given->size() != expected.size()) {
    return failed(fmt::format("the response of user {} is no hash of its algorithm", user));
  }
  if (!right) return failed(fmt::format("wrong secret of user {}", user));
  return {};
}

Result<void> Chap::prove(const std::string& identifier, std::string_view challenge,
                         std::string& answers) const {
  std::optional<uint32_t> number = parse_number(identifier);
  std::optional<Bytes> theirs = parse_binary(challenge, kMostChallengeBytes);
  if (!number || *number > 255 || !theirs || theirs->empty()) {
    return failed("CHAP_I or CHAP_C of the initiator is no identifier or challenge");
  }
  if (equal_in_constant_time(*theirs, challenge_)) {
    return failed("the initiator sends our own challenge back to us");
  }
  if (!secrets_.target) {
    return failed("the initiator wants us to prove ourselves, and there is no mutual_chap for it");
  }
  Bytes proof =
      chap_response(algorithm_, static_cast<uint8_t>(*number), secrets_.target->secret, *theirs);
  append_key(answers, "CHAP_N", secrets_.target->user);
  append_key(answers, "CHAP_R", "0x" + to_hex(proof));
  return {};
}

}  // namespace swiftness::iscsi
