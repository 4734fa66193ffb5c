// stamps URL --state FILE write|verify: what must be on a logical unit after its gateway was
// killed.
//
// `write` loads the disk over libiscsi until its time is over or the connection is lost, whichever
// comes first, and keeps in FILE what it sent and what was answered. `verify` reads the whole span,
// says what is wrong with it, and takes what is there as the beginning of the next round.
//
// Every 4 KiB block that is written carries a stamp: the volume, the block, the number of the
// write, where that write began and how long it was, and a CRC32C over all of it. Numbers are given
// out in the order of sending, to writes, unmaps and flushes alike, and each answer notes the last
// number given out by then: what has a higher number was sent after the answer. No two commands
// under way touch the same block, so each block has a history in one order. A block must show
//   - an entry of its history: no other volume's, no other block's, nothing torn within 4 KiB;
//   - not one before the newest that was promised. --promise acknowledged: every answered write is.
//     --promise flushed: those that were answered before a flush or a forced write was sent that
//     was answered too, and before anything was sent that is there (what is lost is a tail of the
//     log);
// and of a write that is there at one block, no other block may show less: it is not torn either.
#include <fmt/core.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "backend/base/crc32c.h"

namespace swiftness::test {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr uint32_t kBlock = 4096;
constexpr uint32_t kMostBlocks = 32;  // of one write
constexpr auto kPatience = 300s;      // a store behind the target may be slow, or away
constexpr uint64_t kMagic = 0x31706d6174530a0d;

struct Stamp {
  uint64_t magic, volume, block, number, first;
  uint32_t count, crc;
};
static_assert(sizeof(Stamp) == 48);

using Block = std::array<std::byte, kBlock>;

uint32_t crc_of(const std::byte* block) {
  Stamp stamp;
  std::memcpy(&stamp, block, sizeof stamp);
  stamp.crc = 0;
  uint32_t crc = crc32c(std::as_bytes(std::span(&stamp, 1)));
  return crc32c({block + sizeof stamp, kBlock - sizeof stamp}, crc);
}

// The rest of a block differs from write to write and does not compress.
void make_block(Stamp stamp, std::byte* out) {
  uint64_t word = stamp.number * 0x9e3779b97f4a7c15u + stamp.block;
  for (size_t at = sizeof stamp; at < kBlock; at += sizeof word) {
    word = word * 6364136223846793005u + 1442695040888963407u;
    std::memcpy(out + at, &word, sizeof word);
  }
  stamp.crc = 0;
  std::memcpy(out, &stamp, sizeof stamp);
  stamp.crc = crc_of(out);
  std::memcpy(out, &stamp, sizeof stamp);
}

// What a block shows.
struct Found {
  bool zeros = false;
  bool sound = false;  // a stamp of this volume and block, with a right checksum
  Stamp stamp{};

  std::string text() const {
    if (zeros) return "zeros";
    if (sound) return fmt::format("write {}", stamp.number);
    if (stamp.magic != kMagic) return "bytes without a stamp";
    return fmt::format("a torn or misplaced stamp (block {}, write {}, volume {:x})", stamp.block,
                       stamp.number, stamp.volume);
  }
};

Found look_at(const std::byte* bytes, uint64_t volume, uint64_t block) {
  Found found;
  found.zeros = bytes[0] == std::byte{0} && std::memcmp(bytes, bytes + 1, kBlock - 1) == 0;
  std::memcpy(&found.stamp, bytes, sizeof found.stamp);
  found.sound = found.stamp.magic == kMagic && found.stamp.volume == volume &&
                found.stamp.block == block && found.stamp.crc == crc_of(bytes);
  return found;
}

// ---- what may be there
// ---------------------------------------------------------------------------

struct Entry {
  uint64_t number = 0;
  uint64_t answered = 0;  // the last number given out when the answer came; 0: there was none
  bool zeros = false;     // an unmap, or never written
  bool forced = false;    // a write with FUA

  bool shows(const Found& found) const {
    return zeros ? found.zeros : found.sound && found.stamp.number == number;
  }
};

class Expectation {
 public:
  Expectation(std::filesystem::path file, uint64_t blocks) : file_(std::move(file)) {
    std::ifstream in(file_);
    if (!in) {
      std::random_device random;
      volume_ = uint64_t{random()} << 32 | random();
      histories_.assign(blocks, {Entry{.zeros = true}});
      return;
    }
    uint64_t size = 0, block = 0;
    in >> volume_ >> counter_ >> flushed_ >> size;
    if (size != blocks) throw std::runtime_error(file_.native() + " is of another span");
    histories_.resize(size);
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line);
      if (!(words >> block)) continue;  // the end of the first line
      Entry entry;
      while (words >> entry.number >> entry.answered >> entry.zeros >> entry.forced) {
        histories_.at(block).push_back(entry);
      }
    }
    for (const auto& history : histories_) {
      if (history.empty()) throw std::runtime_error(file_.native() + " is damaged");
    }
  }

  void save() const {
    std::filesystem::path fresh = file_;
    fresh += ".new";
    std::ofstream out(fresh, std::ios::trunc);
    out << volume_ << ' ' << counter_ << ' ' << flushed_ << ' ' << histories_.size() << '\n';
    for (size_t block = 0; block < histories_.size(); ++block) {
      out << block;
      for (const Entry& entry : histories_[block]) {
        out << ' ' << entry.number << ' ' << entry.answered << ' ' << entry.zeros << ' '
            << entry.forced;
      }
      out << '\n';
    }
    out.close();
    if (!out) throw std::runtime_error("cannot write " + fresh.native());
    std::filesystem::rename(fresh, file_);
  }

  uint64_t volume() const { return volume_; }
  uint64_t blocks() const { return histories_.size(); }
  uint64_t next_number() { return ++counter_; }
  const std::vector<Entry>& history(uint64_t block) const { return histories_[block]; }

  void sent(uint64_t block, Entry entry) { histories_[block].push_back(entry); }
  void answered(uint64_t block) { histories_[block].back().answered = counter_; }
  void flushed(uint64_t number) { flushed_ = std::max(flushed_, number); }

  // The gateway has lived on since: whatever was answered is to be seen.
  bool may_show_now(uint64_t block, const Found& found) const {
    const std::vector<Entry>& history = histories_[block];
    for (size_t i = history.size(); i-- > 0;) {
      if (history[i].shows(found)) return true;
      if (history[i].answered > 0) return false;
    }
    return false;
  }

  // Complaints; none, and what was found is all that counts from now on.
  std::vector<std::string> settle(const std::vector<Found>& found, bool flushed_only) {
    uint64_t safe = flushed_only ? flushed_ : UINT64_MAX;
    if (flushed_only) {
      for (const Found& block : found) {
        if (block.sound) safe = std::max(safe, block.stamp.number);
      }
    }
    std::vector<std::string> complaints;
    std::vector<Entry> settled(found.size());
    for (uint64_t block = 0; block < found.size(); ++block) {
      const std::vector<Entry>& history = histories_[block];
      size_t least = 0;
      for (size_t i = 0; i < history.size(); ++i) {
        const Entry& entry = history[i];
        if (entry.answered > 0 && (entry.forced || entry.answered < safe)) least = i;
      }
      size_t at = history.size();
      while (at-- > least && !history[at].shows(found[block])) {
      }
      if (at + 1 > least) {
        settled[block] = history[at];
        settled[block].answered = settled[block].forced = true;
        continue;
      }
      std::string wanted;
      for (size_t i = least; i < history.size(); ++i) {
        wanted += wanted.empty() ? "" : " or ";
        wanted += history[i].zeros ? "zeros" : fmt::format("write {}", history[i].number);
        if (history[i].answered > 0) wanted += " (answered)";
      }
      complaints.push_back(
          fmt::format("block {} shows {}, not {}", block, found[block].text(), wanted));
    }
    if (complaints.empty()) complaints = torn(found, settled);
    if (complaints.empty()) {
      for (uint64_t block = 0; block < found.size(); ++block) histories_[block] = {settled[block]};
    }
    return complaints;
  }

 private:
  static std::vector<std::string> torn(const std::vector<Found>& found,
                                       const std::vector<Entry>& settled) {
    std::vector<std::string> complaints;
    for (uint64_t block = 0; block < found.size(); ++block) {
      if (!found[block].sound) continue;
      const Stamp& stamp = found[block].stamp;
      for (uint64_t other = stamp.first; other < stamp.first + stamp.count; ++other) {
        if (settled.at(other).number >= stamp.number) continue;
        complaints.push_back(
            fmt::format("write {} of {} blocks from {} on is at block {}, not at {}", stamp.number,
                        stamp.count, stamp.first, block, other));
      }
    }
    return complaints;
  }

  const std::filesystem::path file_;
  uint64_t volume_ = 0, counter_ = 0;
  uint64_t flushed_ = 0;  // number of the newest flush that was answered
  std::vector<std::vector<Entry>> histories_;
};

// ---- the initiator
// -------------------------------------------------------------------------------

struct Release {
  void operator()(iscsi_context* context) const { iscsi_destroy_context(context); }
  void operator()(iscsi_url* url) const { iscsi_destroy_url(url); }
};

class Initiator {
 public:
  explicit Initiator(const std::string& text)
      : context_(iscsi_create_context(
            fmt::format("iqn.2026-11.org.swiftness:stamps-{}", ::getpid()).c_str())) {
    iscsi_context* context = context_.get();
    std::unique_ptr<iscsi_url, Release> url(iscsi_parse_full_url(context, text.c_str()));
    if (!url) throw std::runtime_error("not an iscsi:// address: " + text);
    lun_ = url->lun;
    iscsi_set_targetname(context, url->target);
    iscsi_set_session_type(context, ISCSI_SESSION_NORMAL);
    iscsi_set_noautoreconnect(context, 1);  // what was under way must stay known to be in doubt
    iscsi_set_timeout(context, static_cast<int>(std::chrono::seconds(kPatience).count()));
    if (iscsi_full_connect_sync(context, url->portal, lun_) != 0) throw trouble("cannot log in");
    std::unique_ptr<scsi_task, void (*)(scsi_task*)> task(iscsi_readcapacity16_sync(context, lun_),
                                                          [](scsi_task* done) {
                                                            if (done != nullptr)
                                                              scsi_free_scsi_task(done);
                                                          });
    auto* capacity = task && task->status == SCSI_STATUS_GOOD
                         ? static_cast<scsi_readcapacity16*>(scsi_datain_unmarshall(task.get()))
                         : nullptr;
    if (capacity == nullptr) throw trouble("READ CAPACITY(16) failed");
    block_length_ = capacity->block_length;
    bytes_ = (capacity->returned_lba + 1) * block_length_;
  }

  // Ends every command under way; whoever sent them must still be there.
  void close() { context_.reset(); }

  iscsi_context* context() { return context_.get(); }
  int lun() const { return lun_; }
  uint64_t bytes() const { return bytes_; }
  int block_length() const { return static_cast<int>(block_length_); }
  uint64_t lba(uint64_t block) const { return block * kBlock / block_length_; }
  uint32_t count(uint64_t blocks) const {
    return static_cast<uint32_t>(blocks * kBlock / block_length_);
  }

  // False: the connection is lost.
  bool service() {
    pollfd poll{iscsi_get_fd(context()), static_cast<short>(iscsi_which_events(context())), 0};
    if (poll.fd < 0) return false;
    ::poll(&poll, 1, 100);
    return iscsi_service(context(), poll.revents) == 0;
  }

  std::runtime_error trouble(const std::string& what) {
    return std::runtime_error(what + ": " + iscsi_get_error(context()));
  }

 private:
  std::unique_ptr<iscsi_context, Release> context_;
  int lun_ = 0;
  uint64_t bytes_ = 0;
  uint32_t block_length_ = 0;
};

struct Range {
  uint64_t first;
  uint64_t count;
};

enum class Kind { write, unmap, read, flush };

struct Command {
  class Session* session = nullptr;
  Kind kind = Kind::read;
  uint64_t number = 0;
  std::vector<Range> ranges;
  std::vector<unmap_list> unmaps;
  std::vector<std::byte> data;  // of a write
  Clock::time_point sent{};
};

// Sends commands and hands each end to finished(). Its buffers live until then.
class Session {
 public:
  explicit Session(Initiator& initiator) : initiator_(initiator) {}
  virtual ~Session() = default;

  void send(std::unique_ptr<Command> command, bool forced) {
    iscsi_context* context = initiator_.context();
    const int lun = initiator_.lun(), length = initiator_.block_length();
    command->session = this;
    command->sent = Clock::now();
    Command* raw = command.release();
    scsi_task* task = nullptr;
    switch (raw->kind) {
      case Kind::write:
        task = iscsi_write16_task(context, lun, initiator_.lba(raw->ranges.front().first),
                                  reinterpret_cast<unsigned char*>(raw->data.data()),
                                  static_cast<uint32_t>(raw->data.size()), length, 0, 0, forced, 0,
                                  0, &Session::on_end, raw);
        break;
      case Kind::read:
        task = iscsi_read16_task(context, lun, initiator_.lba(raw->ranges.front().first),
                                 static_cast<uint32_t>(raw->ranges.front().count * kBlock), length,
                                 0, 0, 0, 0, 0, &Session::on_end, raw);
        break;
      case Kind::unmap:
        for (const Range& range : raw->ranges) {
          raw->unmaps.push_back({initiator_.lba(range.first), initiator_.count(range.count)});
        }
        task = iscsi_unmap_task(context, lun, 0, 0, raw->unmaps.data(),
                                static_cast<int>(raw->unmaps.size()), &Session::on_end, raw);
        break;
      case Kind::flush:
        task = iscsi_synchronizecache10_task(context, lun, 0, 0, 0, 0, &Session::on_end, raw);
        break;
    }
    if (task == nullptr) throw initiator_.trouble("a command was not taken");
    ++in_flight_;
  }

 protected:
  // `data`: of a read that succeeded, else null.
  virtual void finished(const Command& command, bool good, const std::byte* data) = 0;

  bool service() {
    if (!initiator_.service()) lost_ = true;
    if (Clock::now() - heard_ > kPatience + 10s) {
      throw std::runtime_error(
          fmt::format("no answer in {} s", std::chrono::seconds(kPatience).count()));
    }
    return !lost_;
  }

  Initiator& initiator_;
  size_t in_flight_ = 0;
  bool lost_ = false;
  Clock::duration longest_{};  // of a command

 private:
  static void on_end(iscsi_context*, int status, void* data, void* private_data) {
    std::unique_ptr<Command> command(static_cast<Command*>(private_data));
    Session& session = *command->session;
    auto* task = static_cast<scsi_task*>(data);
    session.heard_ = Clock::now();
    session.longest_ = std::max(session.longest_, session.heard_ - command->sent);
    --session.in_flight_;
    if (status == SCSI_STATUS_CANCELLED || status == SCSI_STATUS_ERROR) session.lost_ = true;
    const bool whole = command->kind != Kind::read ||
                       (task != nullptr && static_cast<uint64_t>(task->datain.size) ==
                                               command->ranges.front().count * kBlock);
    const bool good = status == SCSI_STATUS_GOOD && whole;
    session.finished(*command, good,
                     good && command->kind == Kind::read
                         ? reinterpret_cast<const std::byte*>(task->datain.data)
                         : nullptr);
    if (task != nullptr) scsi_free_scsi_task(task);
  }

  Clock::time_point heard_ = Clock::now();
};

// ---- write
// ---------------------------------------------------------------------------------------

class Writing final : public Session {
 public:
  Writing(Initiator& initiator, Expectation& expectation, uint64_t seed, size_t depth)
      : Session(initiator),
        expectation_(expectation),
        random_(seed),
        depth_(depth),
        busy_(expectation.blocks()) {}
  ~Writing() override { initiator_.close(); }

  // False: something was read that must not be there.
  bool operator()(double seconds) {
    fmt::print("stamps: begun\n");
    std::fflush(stdout);
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    do {
      while (!lost_ && in_flight_ < depth_ && Clock::now() < end) start_one();
    } while (in_flight_ > 0 && service());
    fmt::print(
        "stamps: {} writes ({} answered), {} unmaps ({}), {} flushes ({}), {} reads; {} failed; "
        "{}; the longest took {:.1f} s\n",
        sent_[0], good_[0], sent_[1], good_[1], sent_[3], good_[3], good_[2], failed_,
        lost_ ? "the connection was lost" : "the time was over",
        std::chrono::duration<double>(longest_).count());
    return wrong_ == 0;
  }

 private:
  uint64_t below(uint64_t end) { return random_() % end; }

  // Half of all in an eighth of the disk: blocks with a history, and chunks that are mostly dead.
  Range choose(uint64_t most) {
    for (;;) {
      const uint64_t blocks = expectation_.blocks();
      uint64_t count = uint64_t{1} << below(6);
      count = std::min(1 + below(count), most);
      const uint64_t first = below((below(2) == 0 ? blocks / 8 : blocks) - count + 1);
      const auto begin = busy_.begin() + static_cast<ptrdiff_t>(first);
      const auto end = begin + static_cast<ptrdiff_t>(count);
      if (std::find(begin, end, true) == end) return {first, count};
    }
  }

  void mark(const Range& range, bool busy) {
    const auto begin = busy_.begin() + static_cast<ptrdiff_t>(range.first);
    std::fill(begin, begin + static_cast<ptrdiff_t>(range.count), busy);
  }

  void start_one() {
    auto command = std::make_unique<Command>();
    const uint64_t dice = below(100);
    const bool forced = dice < 4;
    command->kind = dice < 72   ? Kind::write
                    : dice < 78 ? Kind::unmap
                    : dice < 80 ? Kind::flush
                                : Kind::read;
    const uint64_t ranges = command->kind == Kind::flush   ? 0
                            : command->kind == Kind::unmap ? 1 + below(4)
                                                           : 1;
    for (uint64_t i = 0; i < ranges; ++i) {
      const Range range = choose(kMostBlocks);
      mark(range, true);
      command->ranges.push_back(range);
    }
    if (command->kind != Kind::read) command->number = expectation_.next_number();
    if (command->kind == Kind::write) fill(*command);
    if (command->kind == Kind::write || command->kind == Kind::unmap) {
      Entry entry;
      entry.number = command->number;
      entry.zeros = command->kind == Kind::unmap;
      entry.forced = forced;
      for (const Range& range : command->ranges) {
        for (uint64_t i = 0; i < range.count; ++i) expectation_.sent(range.first + i, entry);
      }
    }
    ++sent_[static_cast<size_t>(command->kind)];
    if (forced) forced_.push_back(command->number);
    send(std::move(command), forced);
  }

  void fill(Command& command) {
    const Range range = command.ranges.front();
    command.data.resize(range.count * kBlock);
    for (uint64_t i = 0; i < range.count; ++i) {
      Stamp stamp{kMagic,
                  expectation_.volume(),
                  range.first + i,
                  command.number,
                  range.first,
                  static_cast<uint32_t>(range.count),
                  0};
      make_block(stamp, command.data.data() + i * kBlock);
    }
  }

  void finished(const Command& command, bool good, const std::byte* data) override {
    for (const Range& range : command.ranges) mark(range, false);
    if (!good) {
      if (!lost_) ++failed_;
      return;
    }
    ++good_[static_cast<size_t>(command.kind)];
    if (command.kind == Kind::flush) expectation_.flushed(command.number);
    if (command.kind == Kind::write || command.kind == Kind::unmap) {
      for (const Range& range : command.ranges) {
        for (uint64_t i = 0; i < range.count; ++i) expectation_.answered(range.first + i);
      }
      if (std::erase(forced_, command.number) > 0) expectation_.flushed(command.number);
    }
    if (command.kind == Kind::read) check(command.ranges.front(), data);
  }

  void check(const Range& range, const std::byte* data) {
    for (uint64_t i = 0; i < range.count; ++i) {
      const uint64_t block = range.first + i;
      const Found found = look_at(data + i * kBlock, expectation_.volume(), block);
      if (expectation_.may_show_now(block, found) || wrong_++ >= 10) continue;
      fmt::print("stamps: block {} shows {}, not its last write, {}\n", block, found.text(),
                 expectation_.history(block).back().number);
    }
  }

  Expectation& expectation_;
  std::mt19937_64 random_;
  const size_t depth_;
  std::vector<bool> busy_;
  std::vector<uint64_t> forced_;  // under way
  std::array<uint64_t, 4> sent_{}, good_{};
  uint64_t failed_ = 0, wrong_ = 0;
};

// ---- verify
// --------------------------------------------------------------------------------------

class Reading final : public Session {
 public:
  Reading(Initiator& initiator, uint64_t volume, uint64_t blocks)
      : Session(initiator), volume_(volume), found_(blocks) {}
  ~Reading() override { initiator_.close(); }

  std::vector<Found> operator()() {
    constexpr size_t kDepth = 8;
    const auto end = Clock::now() + kPatience;
    do {
      while (in_flight_ < kDepth && next_ < found_.size()) {
        ask({next_, std::min<uint64_t>(kMostBlocks, found_.size() - next_)});
        next_ += kMostBlocks;
      }
      if (!service()) throw std::runtime_error("the connection was lost while reading");
      // What the store did not give in time is asked for again.
      if (!again_.empty() && in_flight_ < kDepth) {
        if (Clock::now() > end) throw std::runtime_error("a block cannot be read");
        ask(again_.back());
        again_.pop_back();
      }
    } while (in_flight_ > 0 || !again_.empty() || next_ < found_.size());
    return std::move(found_);
  }

 private:
  void ask(Range range) {
    auto command = std::make_unique<Command>();
    command->ranges = {range};
    send(std::move(command), false);
  }

  void finished(const Command& command, bool good, const std::byte* data) override {
    const Range range = command.ranges.front();
    if (!good) {
      again_.push_back(range);
      return;
    }
    for (uint64_t i = 0; i < range.count; ++i) {
      found_[range.first + i] = look_at(data + i * kBlock, volume_, range.first + i);
    }
  }

  const uint64_t volume_;
  std::vector<Found> found_;
  std::vector<Range> again_;
  uint64_t next_ = 0;
};

struct Options {
  std::string url, state, task, promise = "acknowledged";
  uint64_t span = 64 << 20, seed = 1;
  size_t depth = 12;
  double seconds = 5;
};

int stamps(const Options& options) {
  Expectation expectation(options.state, options.span / kBlock);
  Initiator initiator(options.url);
  if (initiator.bytes() < options.span) throw std::runtime_error("the disk is smaller than that");
  if (options.task == "write") {
    Writing writing(initiator, expectation, options.seed, options.depth);
    const bool right = writing(options.seconds);
    expectation.save();
    return right ? 0 : 1;
  }
  Reading reading(initiator, expectation.volume(), expectation.blocks());
  const std::vector<Found> found = reading();
  const std::vector<std::string> complaints =
      expectation.settle(found, options.promise == "flushed");
  for (size_t i = 0; i < std::min<size_t>(complaints.size(), 10); ++i) {
    fmt::print("stamps: {}\n", complaints[i]);
  }
  if (!complaints.empty()) {
    fmt::print("stamps: {} blocks are not what was promised\n", complaints.size());
    return 1;
  }
  expectation.save();
  return 0;
}

}  // namespace
}  // namespace swiftness::test

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // libiscsi writes to connections that have just been lost
  swiftness::test::Options options;
  CLI::App app("Writes stamped blocks to a logical unit, and tells what must be there later.");
  app.add_option("url", options.url, "iscsi://HOST:PORT/IQN/LUN")->required();
  app.add_option("task", options.task, "write, or verify")
      ->required()
      ->check(CLI::IsMember({"write", "verify"}));
  app.add_option("--state", options.state, "file that keeps what was written")->required();
  app.add_option("--span", options.span, "bytes of the disk to use (64MiB)")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--seed", options.seed, "of what is written where");
  app.add_option("--depth", options.depth, "commands under way at once (12)");
  app.add_option("--seconds", options.seconds, "of writing, at most (5)");
  app.add_option("--promise", options.promise, "what must be there after a kill: what was")
      ->check(CLI::IsMember({"acknowledged", "flushed"}));
  CLI11_PARSE(app, argc, argv);
  try {
    return swiftness::test::stamps(options);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "stamps: {}\n", failure.what());
    return 2;
  }
}
