// MD5 of several texts side by side. MD5 is one long chain of dependent steps, so a single text
// leaves most of a core's arithmetic idle; sixteen texts in the lanes of vector registers take two
// to three times as long as one (RFC 1321 in vectors: each lane is a text).
#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/base/endian.h"
#include "backend/base/hash.h"

namespace swiftness {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kFewest = 4;  // texts; fewer are done sooner one after the other, by OpenSSL
constexpr size_t kBlock = 64;
constexpr size_t kStagedBlocks = 64;  // per lane: what is not in one piece

using Lanes = uint32_t __attribute__((vector_size(4 * kLanes)));
struct State {
  Lanes a, b, c, d;
};

constexpr std::array<uint32_t, 64> kSine = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
constexpr int kShift[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

// One step of one round, in all lanes: a is what changes.
template <int kStep>
[[gnu::always_inline]] inline void step(Lanes& a, const Lanes& b, const Lanes& c, const Lanes& d,
                                        const Lanes* words) {
  constexpr int kRound = kStep / 16;
  constexpr int kWord = kRound == 0   ? kStep
                        : kRound == 1 ? (5 * kStep + 1) % 16
                        : kRound == 2 ? (3 * kStep + 5) % 16
                                      : 7 * kStep % 16;
  constexpr int kTurn = kShift[kRound][kStep % 4];
  Lanes mixed;
  if constexpr (kRound == 0) {
    mixed = d ^ (b & (c ^ d));
  } else if constexpr (kRound == 1) {
    mixed = c ^ (d & (b ^ c));
  } else if constexpr (kRound == 2) {
    mixed = b ^ c ^ d;
  } else {
    mixed = c ^ (b | ~d);
  }
  const Lanes sum = (a + words[kWord] + kSine[kStep]) + mixed;  // `mixed` is known last
  a = b + ((sum << kTurn) | (sum >> (32 - kTurn)));
}

template <int kStep>
[[gnu::always_inline]] inline void steps(Lanes& a, Lanes& b, Lanes& c, Lanes& d,
                                         const Lanes* words) {
  if constexpr (kStep < 64) {
    step<kStep>(a, b, c, d, words);
    step<kStep + 1>(d, a, b, c, words);
    step<kStep + 2>(c, d, a, b, words);
    step<kStep + 3>(b, c, d, a, words);
    steps<kStep + 4>(a, b, c, d, words);
  }
}

// Compiled for the vectors of several kinds of processor; which one is decided at the first call.
// Sanitizers do not get along with that.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void hash_blocks(State& state, const std::array<const std::byte*, kLanes>& at, size_t count) {
  State now = state;
  for (size_t block = 0; block < count; ++block) {
    Lanes words[16];
    for (size_t lane = 0; lane < kLanes; ++lane) {
      for (size_t i = 0; i < 16; ++i) {
        words[i][lane] = load_le<uint32_t>(at[lane] + block * kBlock + 4 * i);
      }
    }
    const State before = now;
    steps<0>(now.a, now.b, now.c, now.d, words);
    now.a += before.a;
    now.b += before.b;
    now.c += before.c;
    now.d += before.d;
  }
  state = now;
}

// Whole blocks that lie one behind the other.
struct Run {
  const std::byte* at = nullptr;
  size_t blocks = 0;
};

// A text and what MD5 puts behind it, as blocks: a one bit, zeros, and the length in bits.
class Blocks {
 public:
  explicit Blocks(const BufferList& text)
      : pieces_(text.pieces()), left_(text.size()), bits_(text.size() * 8) {}

  // The next blocks, where the text has them if they are whole there, or in `stage`. None: that was
  // all.
  Run next(std::span<std::byte> stage) {
    if (ended_) return {};
    if (left_ > 0 && available() >= kBlock) {
      const Run out{reinterpret_cast<const std::byte*>(pieces_[piece_].data()) + used_,
                    available() / kBlock};
      take(out.blocks * kBlock);
      return out;
    }
    size_t filled = 0;
    while (filled < stage.size() && left_ > 0) {
      size_t taken = std::min(available(), stage.size() - filled);
      // A long piece is hashed where it is, from its first whole block on.
      if (available() >= kLongPiece) taken = std::min(taken, (kBlock - filled % kBlock) % kBlock);
      if (taken == 0) return {stage.data(), filled / kBlock};
      std::memcpy(stage.data() + filled, pieces_[piece_].data() + used_, taken);
      filled += taken;
      take(taken);
    }
    if (filled == stage.size()) return {stage.data(), filled / kBlock};
    // The end begins in here; its length may not fit any more.
    if (!marked_) stage[filled++] = std::byte{0x80};
    marked_ = true;
    size_t end = (filled + kBlock - 1) / kBlock * kBlock;
    if (end - filled < 8 && end < stage.size()) end += kBlock;
    std::memset(stage.data() + filled, 0, end - filled);
    if (end - filled >= 8) {
      store_le<uint64_t>(stage.data() + end - 8, bits_);
      ended_ = true;
    }
    return {stage.data(), end / kBlock};
  }

 private:
  static constexpr size_t kLongPiece = 8 * kBlock;

  size_t available() const { return pieces_[piece_].size() - used_; }  // of the piece; left_ > 0
  void take(size_t bytes) {
    used_ += bytes;
    left_ -= bytes;
    if (available() == 0) ++piece_, used_ = 0;  // no piece of a list is empty
  }

  std::span<const Buffer> pieces_;
  size_t piece_ = 0;
  size_t used_ = 0;  // of that piece
  uint64_t left_;
  uint64_t bits_;
  bool marked_ = false;
  bool ended_ = false;
};

struct Lane {
  std::optional<Blocks> blocks;  // nothing: there are fewer texts than lanes, or it has ended
  Run run;                       // what of them is still to be hashed
  alignas(64) std::array<std::byte, kStagedBlocks * kBlock> staged;
};

std::string digest_of(const State& state, size_t lane) {
  std::array<std::byte, 16> digest;
  store_le<uint32_t>(digest.data(), state.a[lane]);
  store_le<uint32_t>(digest.data() + 4, state.b[lane]);
  store_le<uint32_t>(digest.data() + 8, state.c[lane]);
  store_le<uint32_t>(digest.data() + 12, state.d[lane]);
  return to_hex(digest);
}

// Of at most so many texts as there are lanes.
std::vector<std::string> side_by_side(std::span<const BufferList> texts) {
  auto lanes = std::make_unique<std::array<Lane, kLanes>>();
  std::vector<std::string> out(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) (*lanes)[i].blocks.emplace(texts[i]);
  State state{Lanes{} + 0x67452301, Lanes{} + 0xefcdab89, Lanes{} + 0x98badcfe,
              Lanes{} + 0x10325476};
  for (;;) {
    size_t count = 0;  // what every lane that has something to hash has of it
    const std::byte* any = nullptr;
    for (size_t i = 0; i < kLanes; ++i) {
      Lane& lane = (*lanes)[i];
      if (lane.blocks && lane.run.blocks == 0) {
        lane.run = lane.blocks->next(lane.staged);
        if (lane.run.blocks == 0) {
          out[i] = digest_of(state, i);
          lane.blocks.reset();
        }
      }
      if (lane.run.blocks == 0) continue;
      count = count == 0 ? lane.run.blocks : std::min(count, lane.run.blocks);
      any = lane.run.at;
    }
    if (count == 0) return out;
    std::array<const std::byte*, kLanes> at;
    for (size_t i = 0; i < kLanes; ++i) {
      Lane& lane = (*lanes)[i];
      // A lane without a text hashes another one's, for nothing.
      at[i] = lane.run.blocks > 0 ? lane.run.at : any;
    }
    hash_blocks(state, at, count);
    for (Lane& lane : *lanes) {
      if (lane.run.blocks == 0) continue;
      lane.run.at += count * kBlock;
      lane.run.blocks -= count;
    }
  }
}

}  // namespace

std::vector<std::string> md5_hex(std::span<const BufferList> texts) {
  std::vector<std::string> out;
  while (!texts.empty()) {
    const auto group = texts.first(std::min(texts.size(), kLanes));
    texts = texts.subspan(group.size());
    if (group.size() < kFewest) {
      for (const BufferList& text : group) out.push_back(md5_hex(text));
    } else {
      std::ranges::move(side_by_side(group), std::back_inserter(out));
    }
  }
  return out;
}

}  // namespace swiftness
