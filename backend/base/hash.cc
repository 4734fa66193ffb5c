#include "backend/base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>

#include "backend/base/check.h"

namespace swiftness {
namespace {

using Digest = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

Digest start(const EVP_MD* kind) {
  Digest digest(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  CHECK(digest && EVP_DigestInit_ex(digest.get(), kind, nullptr) == 1);
  return digest;
}

}  // namespace

Sha256 sha256(std::span<const std::byte> bytes) {
  Digest digest = start(EVP_sha256());
  Sha256 out;
  CHECK(EVP_DigestUpdate(digest.get(), bytes.data(), bytes.size()) == 1);
  CHECK(EVP_DigestFinal_ex(digest.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) ==
        1);
  return out;
}

Sha256 hmac_sha256(std::span<const std::byte> key, std::span<const std::byte> bytes) {
  Sha256 out;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
             reinterpret_cast<unsigned char*>(out.data()), nullptr) != nullptr);
  return out;
}

bool same_signature(const Sha256& a, std::span<const std::byte, 32> b) noexcept {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string md5_hex(const BufferList& data) {
  Digest digest = start(EVP_md5());
  for (const Buffer& piece : data.pieces()) {
    CHECK(EVP_DigestUpdate(digest.get(), piece.data(), piece.size()) == 1);
  }
  std::array<std::byte, 16> out;
  CHECK(EVP_DigestFinal_ex(digest.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr) ==
        1);
  return to_hex(out);
}

std::string to_hex(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (std::byte b : bytes) {
    out.push_back(kDigits[std::to_integer<unsigned>(b) >> 4]);
    out.push_back(kDigits[std::to_integer<unsigned>(b) & 15]);
  }
  return out;
}

}  // namespace swiftness
